//! The legacy application, in a process that outlives the bridge.

use std::path::Path;

use legacy_app::{Options, start_logging};
use tokio::net::TcpListener;

/// What the bridge shows to the application.
pub(crate) const KEY: &str = "native-key";

/// Serves until the process is ended. The address goes into a file beside the log.
pub(crate) async fn run(database: &str, log: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let options = Options { database: database.to_owned(), api_key: KEY.to_owned() };
    let running = start_logging(listener, options, Path::new(log)).await.expect("an application");
    let address = running.address().to_string();
    // Written elsewhere first: whoever reads it finds all of it or nothing.
    let (part, whole) = (format!("{log}.part"), format!("{log}.address"));
    std::fs::write(&part, address).expect("the address is written");
    std::fs::rename(part, whole).expect("the address is there");
    std::future::pending::<()>().await;
}
