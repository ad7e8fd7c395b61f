//! TLS on the SCIM port, with real clients of both versions of HTTP.
#![cfg(test)]

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::{Client, Version};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};

use crate::end_to_end::application::{Application, json as reply};
use crate::end_to_end::binary::{Binary, Installation};
use crate::end_to_end::bridge::token;
use crate::end_to_end::load::Load;
use crate::http::Connection;

/// The names of both versions of HTTP.
const BOTH: &[&[u8]] = &[b"h2", b"http/1.1"];

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A bridge whose certificate comes from `authority`.
async fn installation(authority: &Authority, more: &str) -> (Application, Installation) {
    let application = Application::start(|_| reply(200, &json!({ "id": 7, "login": "ada" }))).await;
    let installation = Installation::new(&application.origin);
    certify(&installation, authority);
    std::fs::write(installation.folder().join("clients.pem"), authority.pem()).unwrap();
    let tls = format!("[listen.tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n{more}[store]");
    installation.edit(|text| text.replace("[store]", &tls));
    (application, installation)
}

/// Writes another certificate and key.
fn certify(installation: &Installation, authority: &Authority) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let cert = params.signed_by(&key, authority).unwrap();
    std::fs::write(installation.folder().join("cert.pem"), cert.pem()).unwrap();
    std::fs::write(installation.folder().join("key.pem"), key.serialize_pem()).unwrap();
}

struct Asker<'a> {
    trusted: Vec<&'a Authority>,
    identity: Option<&'a Authority>,
    protocols: &'a [&'a [u8]],
    kept: usize,
}

impl<'a> Asker<'a> {
    fn trusting(authority: &'a Authority) -> Self {
        Self { trusted: vec![authority], identity: None, protocols: BOTH, kept: 10 }
    }

    fn client(&self, binary: &Binary) -> Client {
        let mut roots = RootCertStore::empty();
        for authority in &self.trusted {
            roots.add(authority.der().clone()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.identity {
            None => config.with_no_client_auth(),
            Some(by) => {
                let key = KeyPair::generate().unwrap();
                let params = CertificateParams::new(vec!["idp".to_owned()]).unwrap();
                let cert = params.signed_by(&key, by).unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
                config.with_client_auth_cert(vec![cert.der().clone()], key).unwrap()
            }
        };
        config.alpn_protocols = self.protocols.iter().map(|it| it.to_vec()).collect();
        let builder = Client::builder().no_proxy().tls_backend_preconfigured(config);
        let builder = builder.resolve("localhost", binary.address);
        builder.pool_max_idle_per_host(self.kept).build().unwrap()
    }

    async fn ask(&self, binary: &Binary) -> Result<(Version, Value), String> {
        let asked = self.client(binary).get(url(binary)).bearer_auth(token("main"));
        let answer = asked.send().await.map_err(|error| format!("{error:?}"))?;
        let version = answer.version();
        assert_eq!(answer.status(), 200);
        Ok((version, serde_json::from_str(&answer.text().await.unwrap()).unwrap()))
    }
}

fn url(binary: &Binary) -> String {
    format!("https://localhost:{}/scim/v2/Users/7", binary.address.port())
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_over_tls() {
    let authority = authority();
    let (_application, installation) = installation(&authority, "").await;
    let binary = installation.serve().await;
    let asker = Asker::trusting(&authority);
    let (version, ada) = asker.ask(&binary).await.unwrap();
    assert_eq!((version, &ada["userName"]), (Version::HTTP_2, &json!("ada")));
    assert_eq!(ada["meta"]["location"], json!(url(&binary)));
    for protocols in [[b"http/1.1".as_slice()].as_slice(), &[]] {
        let (version, _) =
            Asker { protocols, ..Asker::trusting(&authority) }.ask(&binary).await.unwrap();
        assert_eq!(version, Version::HTTP_11);
    }
    // Whoever forgets the `s` gets nothing, least of all a token in the clear into a log.
    let mut plain = Connection::open(binary.address).await;
    plain.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(plain.answer("GET").await, None);
    let stranger = self::authority();
    assert!(Asker::trusting(&stranger).ask(&binary).await.is_err());
}

#[tokio::test]
async fn clients_show_certificates_where_they_are_asked_for() {
    let (authority, stranger) = (authority(), authority());
    let ca = "client_ca = \"clients.pem\"\n";
    let (_application, installation) = installation(&authority, ca).await;
    let binary = installation.serve().await;
    let asker = |identity| Asker { identity, ..Asker::trusting(&authority) };
    assert!(asker(Some(&authority)).ask(&binary).await.is_ok());
    assert!(asker(Some(&stranger)).ask(&binary).await.is_err());
    assert!(asker(None).ask(&binary).await.is_err());

    installation.edit(|text| text.replace(ca, &format!("{ca}client_auth = \"optional\"\n")));
    let output = installation.run(&["reload", "--url", &binary.admin_url()]).await;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "reloaded: certificates changed\n");
    assert!(asker(Some(&authority)).ask(&binary).await.is_ok());
    assert!(asker(Some(&stranger)).ask(&binary).await.is_err());
    assert!(asker(None).ask(&binary).await.is_ok());
}

#[tokio::test]
async fn another_certificate_breaks_no_connection() {
    let (old, new) = (authority(), authority());
    let (_application, installation) = installation(&old, "").await;
    let binary = installation.serve().await;
    let either = Asker { trusted: vec![&old, &new], ..Asker::trusting(&old) };
    let kept = either.client(&binary);
    let fresh = Asker { trusted: vec![&old, &new], kept: 0, ..Asker::trusting(&old) };
    let load = Load::start(&url(&binary), &kept, &fresh.client(&binary));
    load.more(20).await;

    // Half of the pair is a fault, and the old pair stays in use.
    let certificate = std::fs::read(installation.folder().join("cert.pem")).unwrap();
    certify(&installation, &new);
    let new_certificate = std::fs::read(installation.folder().join("cert.pem")).unwrap();
    std::fs::write(installation.folder().join("cert.pem"), certificate).unwrap();
    let output = installation.run(&["reload", "--url", &binary.admin_url()]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(Asker::trusting(&old).ask(&binary).await.is_ok());

    std::fs::write(installation.folder().join("cert.pem"), new_certificate).unwrap();
    let output = installation.run(&["reload", "--url", &binary.admin_url()]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(Asker::trusting(&new).ask(&binary).await.is_ok());
    assert!(Asker::trusting(&old).ask(&binary).await.is_err());
    load.more(20).await;
    load.end().await;
}
