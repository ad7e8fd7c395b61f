//! Certificates of the application, and of the bridge.
#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use scimbridge::exchange::upstream::{Upstream, UpstreamError};
use scimbridge::mapping::access::{Tls, TlsVersion};
use scimbridge::upstream::client::HttpUpstream;
use scimbridge::upstream::setup::UpstreamSetupError;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::upstream::client::{HandClock, api, build_with, chain, get, template};

pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

/// An authority that nobody's system knows.
pub(crate) fn authority() -> Authority {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Certificate and key for a name, as PEM.
pub(crate) fn issued(by: &Authority, name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, by).unwrap().pem(), key.serialize_pem())
}

/// What a server asks of its clients.
enum Clients {
    Anybody,
    CertifiedBy(Box<Authority>),
}

/// A server whose certificate is for this name; gives its origin.
async fn server(by: &Authority, name: &str, clients: Clients) -> String {
    let (cert, key) = issued(by, name);
    let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap();
    let config = match clients {
        Clients::Anybody => config.with_no_client_auth(),
        Clients::CertifiedBy(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            config.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(chain, key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut head = [0; 4096];
                if stream.read(&mut head).await.is_ok() {
                    let answer = b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\n{}";
                    stream.write_all(answer).await.unwrap();
                    stream.shutdown().await.unwrap();
                }
            });
        }
    });
    origin
}

fn tls() -> Tls {
    Tls { ca: None, identity: None, verify: true, server_name: None, min: TlsVersion::V1_2 }
}

pub(crate) fn trusting() -> Tls {
    Tls { ca: Some(template("{config.ca}")), ..tls() }
}

fn client(origin: &str, tls: Tls, config: &Value) -> Result<HttpUpstream, UpstreamSetupError> {
    let mut api = api(origin);
    api.retry.attempts = 1;
    api.tls = Some(tls);
    build_with(&api, config, HandClock::new())
}

async fn is_answered(origin: &str, tls: Tls, config: &Value) -> bool {
    match client(origin, tls, config).unwrap().call(get("/users")).await {
        Ok(answer) => answer.status == 200,
        Err(UpstreamError::Unreachable(_) | UpstreamError::Interrupted(_)) => false,
        Err(error) => panic!("{}", chain(&error)),
    }
}

#[tokio::test]
async fn an_authority_of_ones_own() {
    let authority = authority();
    let config = json!({ "ca": authority.pem() });
    let origin = server(&authority, "127.0.0.1", Clients::Anybody).await;
    assert!(!is_answered(&origin, tls(), &config).await);
    assert!(is_answered(&origin, trusting(), &config).await);
    assert!(is_answered(&origin, Tls { verify: false, ..tls() }, &config).await);
    let other = json!({ "ca": self::authority().pem() });
    assert!(!is_answered(&origin, trusting(), &other).await);
    // The server speaks nothing newer than 1.2.
    assert!(!is_answered(&origin, Tls { min: TlsVersion::V1_3, ..trusting() }, &config).await);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.pem()).unwrap();
    let config = json!({ "ca": file.path().to_str().unwrap() });
    assert!(is_answered(&origin, trusting(), &config).await);
}

#[tokio::test]
async fn another_name() {
    let authority = authority();
    let config = json!({ "ca": authority.pem() });
    let origin = server(&authority, "app.example", Clients::Anybody).await;
    assert!(!is_answered(&origin, trusting(), &config).await);
    let named = |name: &str| Tls { server_name: Some(template(name)), ..trusting() };
    assert!(is_answered(&origin, named("app.example"), &config).await);
    assert!(!is_answered(&origin, named("other.example"), &config).await);
}

#[tokio::test]
async fn a_certificate_of_the_bridge() {
    let (staff, authority) = (authority(), authority());
    let (cert, key) = issued(&staff, "bridge.example");
    let config = json!({ "ca": authority.pem(), "cert": cert, "key": key });
    let origin = server(&authority, "127.0.0.1", Clients::CertifiedBy(Box::new(staff))).await;
    let identity = || Some((template("{config.cert}"), template("{config.key}")));
    assert!(!is_answered(&origin, trusting(), &config).await);
    assert!(is_answered(&origin, Tls { identity: identity(), ..trusting() }, &config).await);
    let (_, other) = issued(&authority, "bridge.example");
    let config = json!({ "ca": authority.pem(), "cert": cert, "key": other });
    let error = client(&origin, Tls { identity: identity(), ..trusting() }, &config).unwrap_err();
    assert_eq!(error.to_string(), "api.tls cannot be used");
}

#[tokio::test]
async fn set_up_wrongly() {
    let told = |tls: Tls, config: Value| {
        let error = client("https://app.example", tls, &config).unwrap_err();
        assert!(!chain(&error).contains("nowhere"), "{}", chain(&error));
        error.to_string()
    };
    let ca = |text: &str| told(trusting(), json!({ "ca": text }));
    assert_eq!(ca("/nowhere.pem"), "api.tls.ca names a file that cannot be read");
    assert_eq!(
        ca("-----BEGIN NOTHING-----"),
        "api.tls.ca cannot be used: it is not a certificate in PEM"
    );
    assert_eq!(
        ca(&KeyPair::generate().unwrap().serialize_pem()),
        "api.tls.ca cannot be used: it holds no certificate in PEM"
    );
    let named = Tls { server_name: Some(template("no name")), ..tls() };
    assert_eq!(
        told(named, json!({})),
        "api.tls.server_name cannot be used: it is not the name of a host"
    );
}

#[tokio::test]
async fn a_handshake_has_its_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut api = api(&format!("https://{}", listener.local_addr().unwrap()));
    api.retry.attempts = 1;
    api.connect_timeout = Duration::from_millis(30);
    // The system takes the connection, and nobody says a word.
    let outcome = build_with(&api, &json!({}), HandClock::new()).unwrap().call(get("/users")).await;
    assert!(matches!(outcome, Err(UpstreamError::Unreachable(_))), "{outcome:?}");
}
