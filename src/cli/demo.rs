//! `scimbridge demo`.

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use crate::app::demo::stack::{Demo, DemoError};
use crate::app::demo::tour::{self, Report};
use crate::cli::arguments::Demo as Options;
use crate::cli::{output, serve};
use crate::dialogue::recorder;

/// Where the bridge listens when nobody says.
const DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

pub(crate) async fn run(options: Options) -> ExitCode {
    let once = options.once;
    let demo = match start(options).await {
        Ok(demo) => demo,
        Err(error) => {
            output::failure(&error);
            return ExitCode::from(2);
        }
    };
    output::line(&format!("Legacy application  {}/api", demo.native_base));
    output::line(&format!("SCIM base URL       {}", demo.base));
    output::line("");
    let mut steps = 0;
    let played = tour::play(&demo, &mut |report: &Report| {
        steps += 1;
        show(steps, report);
    })
    .await;
    let code = match played {
        Ok(()) => {
            output::line(&format!("The tour is over: {steps} steps, all as they should be."));
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::failure(&error);
            ExitCode::from(1)
        }
    };
    if !once && code == ExitCode::SUCCESS {
        invite(&demo);
        serve::shutdown().await;
    }
    demo.stop().await;
    code
}

/// With the address that was asked for, or the default one, or any that is free.
async fn start(options: Options) -> Result<Demo, DemoError> {
    let listener = match options.listen {
        Some(address) => TcpListener::bind(address)?,
        None => TcpListener::bind(DEFAULT).or_else(|_| TcpListener::bind(("127.0.0.1", 0)))?,
    };
    Demo::start(listener, options.token).await
}

fn show(number: usize, report: &Report) {
    output::line(&format!("{number:>2}. {}", report.title));
    output::line(&format!("    SCIM    {}", report.request));
    for call in &report.native {
        let status = call.status().map_or_else(|| "no answer".to_owned(), |code| code.to_string());
        output::line(&format!("    native    {} -> {status}", recorder::line(&call.request)));
    }
    output::line(&format!("    answer  {} {}", report.status, report.answer));
    output::line("");
}

fn invite(demo: &Demo) {
    output::line("");
    output::line("The demo stays up until you press Ctrl-C. Try it:");
    output::line("");
    output::line(&format!("  Base URL: {}", demo.base));
    output::line(&format!("  Token:    {}", demo.token));
    output::line("");
    output::line(&format!(
        "  curl -H 'Authorization: Bearer {}' '{}/Users'",
        demo.token, demo.base
    ));
    output::line(&format!(
        "  curl -H 'X-Api-Key: {}' '{}/api/people'",
        demo.native_key, demo.native_base
    ));
}
