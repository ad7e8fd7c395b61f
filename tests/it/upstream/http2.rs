//! An application that speaks HTTP/2.
#![cfg(test)]

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::Reason;
use h2::server::{Connection, SendResponse, handshake};
use http::{Method, Response};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use scimbridge::exchange::upstream::{Upstream, UpstreamError};
use scimbridge::upstream::client::HttpUpstream;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::upstream::certificates::{Authority, authority, issued, trusting};
use crate::upstream::client::{HandClock, api, build_with, get, post};

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Answered,
    /// It was not begun with.
    Refused,
    /// Nobody knows.
    Broken,
}

/// A server that speaks nothing but HTTP/2, and its log.
struct Server {
    origin: String,
    seen: Arc<Mutex<Vec<Method>>>,
}

impl Server {
    async fn start(by: &Authority, fates: Vec<Fate>) -> Self {
        let (cert, key) = issued(by, "127.0.0.1");
        let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let mut config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("https://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let stream = acceptor.accept(stream).await.unwrap();
                let connection = handshake(stream).await.unwrap();
                tokio::spawn(serve(connection, fates.clone(), Arc::clone(&log)));
            }
        });
        Self { origin, seen }
    }

    fn seen(&self) -> Vec<Method> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(
    mut connection: Connection<TlsStream<TcpStream>, Bytes>,
    fates: Vec<Fate>,
    log: Arc<Mutex<Vec<Method>>>,
) {
    while let Some(Ok((request, respond))) = connection.accept().await {
        let number = {
            let mut log = log.lock().unwrap();
            log.push(request.method().clone());
            log.len() - 1
        };
        reply(respond, fates.get(number).copied().unwrap_or(Fate::Broken));
    }
}

fn reply(mut respond: SendResponse<Bytes>, fate: Fate) {
    match fate {
        Fate::Answered => {
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            body.send_data(Bytes::from_static(b"[1]"), true).unwrap();
        }
        Fate::Refused => respond.send_reset(Reason::REFUSED_STREAM),
        Fate::Broken => respond.send_reset(Reason::INTERNAL_ERROR),
    }
}

fn client(server: &Server, authority: &Authority) -> HttpUpstream {
    let mut api = api(&server.origin);
    api.retry.attempts = 1;
    api.tls = Some(trusting());
    build_with(&api, &json!({ "ca": authority.pem() }), HandClock::new()).unwrap()
}

#[tokio::test]
async fn what_was_not_begun_with_is_sent_again() {
    let authority = authority();
    let fates = vec![Fate::Answered, Fate::Refused, Fate::Answered];
    let server = Server::start(&authority, fates).await;
    let client = client(&server, &authority);
    assert_eq!(client.call(get("/users")).await.unwrap().json(), Some(&json!([1])));
    let answer = client.call(post("/users", json!({}))).await.unwrap();
    assert_eq!(answer.json(), Some(&json!([1])));
    assert_eq!(server.seen(), [Method::GET, Method::POST, Method::POST]);
}

#[tokio::test]
async fn what_may_have_been_done_is_not_sent_again() {
    let authority = authority();
    let server = Server::start(&authority, vec![Fate::Answered, Fate::Broken]).await;
    let client = client(&server, &authority);
    assert!(client.call(get("/users")).await.unwrap().is_success());
    let outcome = client.call(post("/users", json!({}))).await;
    assert!(matches!(outcome, Err(UpstreamError::Interrupted(_))), "{outcome:?}");
    assert_eq!(server.seen(), [Method::GET, Method::POST]);
}
