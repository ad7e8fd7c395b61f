//! `scimbridge serve`.

use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::app::follow;
use crate::app::serve::{End, Service};
use crate::cli::arguments::Serve;
use crate::cli::{logging, output};
use crate::config::load;

pub(crate) async fn run(options: &Serve) -> ExitCode {
    let config = match load::load(options.config.as_deref()) {
        Ok(config) => config,
        Err(error) => {
            output::failure(&error);
            return ExitCode::from(2);
        }
    };
    logging::start(&config.log);
    raise_file_limit();
    // Whoever reads in the log that a port is open may stop the process at once.
    let told = shutdown();
    let started = if options.upgrade {
        Service::take_over(&config).await
    } else {
        Service::start(&config).await
    };
    let service = match started {
        Ok(service) => service,
        Err(error) => {
            output::failure(&error);
            return ExitCode::from(2);
        }
    };
    let following = service.follow(options.config.clone(), follow::INTERVAL);
    let why = tokio::select! {
        () = told => End::Told,
        () = service.relieved() => End::Relieved,
    };
    following.abort();
    service.drain(why).await;
    ExitCode::SUCCESS
}

/// As many connections as the system lets a process have: the usual limit is far below it.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the number of open files stays limited");
    }
}

/// Waits for SIGTERM or SIGINT. They are heard from this call on, not only once somebody waits.
pub(crate) fn shutdown() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = signal(SignalKind::terminate());
    async move {
        let interrupted = tokio::signal::ctrl_c();
        match terminated {
            Ok(mut terminated) => {
                tokio::select! {
                    _ = interrupted => {}
                    _ = terminated.recv() => {}
                }
            }
            Err(_) => {
                drop(interrupted.await);
            }
        }
    }
}
