//! `scimbridge serve`.

use std::process::ExitCode;
use std::time::Duration;

use crate::app::serve::Service;
use crate::cli::arguments::Serve;
use crate::cli::{logging, output};
use crate::config::load;

/// Longest wait for requests in flight: as long as one may take.
const GRACE: Duration = Duration::from_mins(1);

pub(crate) async fn run(options: &Serve) -> ExitCode {
    let config = match load::load(options.config.as_deref()) {
        Ok(config) => config,
        Err(error) => {
            output::failure(&error);
            return ExitCode::from(2);
        }
    };
    logging::start(&config.log);
    let service = match Service::start(&config).await {
        Ok(service) => service,
        Err(error) => {
            output::failure(&error);
            return ExitCode::from(2);
        }
    };
    shutdown().await;
    service.stop(GRACE).await;
    ExitCode::SUCCESS
}

/// Waits for SIGTERM or SIGINT.
pub(crate) async fn shutdown() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupted = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
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
