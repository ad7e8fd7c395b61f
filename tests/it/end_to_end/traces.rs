//! Spans of requests and of their native calls at a collector, over OTLP.
#![cfg(test)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use scimbridge::upstream::otlp::Options;
use secrecy::SecretString;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::end_to_end::application::{Application, Nobody, json as reply};
use crate::end_to_end::bridge::{Bridge, PEOPLE, token};
use crate::http::send;

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A collector that takes everything and keeps it: the heads of its requests, and their bodies.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Message>>>);

/// A head and a body.
type Message = (String, Vec<u8>);

impl Collector {
    async fn start() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let collector = Self::default();
        let kept = collector.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(kept.clone().serve(stream));
            }
        });
        (collector, address)
    }

    async fn serve(self, mut stream: TcpStream) {
        loop {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { return };
                head.push(byte);
            }
            let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length.unwrap().parse().unwrap()];
            stream.read_exact(&mut body).await.unwrap();
            self.0.lock().unwrap().push((head, body));
            let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n\
                          Content-Length: 0\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    fn spans(&self) -> Vec<Span> {
        let messages = self.0.lock().unwrap();
        let decoded = messages.iter().map(|(_, body)| {
            ExportTraceServiceRequest::decode(body.as_slice()).expect("it is protobuf")
        });
        let resources = decoded.flat_map(|message| message.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }
}

fn options(endpoint: &str, sample_ratio: f64) -> Options {
    Options {
        endpoint: endpoint.to_owned(),
        headers: vec![("x-collector-key".to_owned(), SecretString::from("hunter2"))],
        service_name: "bridge-under-test".to_owned(),
        sample_ratio,
    }
}

async fn get(bridge: &Bridge, target: &str, traceparent: Option<&str>) -> u16 {
    let bearer = format!("Bearer {}", token("main"));
    let mut headers = vec![("Authorization", bearer.as_str())];
    headers.extend(traceparent.map(|value| ("traceparent", value)));
    send(bridge.address, "GET", target, &headers, b"").await.status
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[tokio::test]
async fn a_native_call_is_part_of_its_request() {
    let person = json!({ "id": 4711, "login": "lovelace@example.com", "disabled": false });
    let application = Application::start(move |_| reply(200, &person)).await;
    let (collector, address) = Collector::start().await;
    let endpoint = format!("http://{address}/");
    let bridge = Bridge::tracing(PEOPLE, &application.origin, options(&endpoint, 1.0)).await;
    assert_eq!(get(&bridge, "/scim/v2/Users/4711", Some(CALLER)).await, 200);
    assert_eq!(get(&bridge, "/scim/v2/Users/4711?filter=hunter3", Some(CALLER)).await, 400);
    // The end sends what is left.
    bridge.stop().await;

    let spans = collector.spans();
    let named = |name: &str| -> Vec<&Span> { spans.iter().filter(|it| it.name == name).collect() };
    let (servers, calls) = (named("GET /Users/{id}"), named("GET /people/{id}"));
    assert_eq!((servers.len(), calls.len(), spans.len()), (2, 1, 3), "{spans:?}");
    let (server, call) = (servers[0], calls[0]);
    assert_eq!(hex(&server.trace_id), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(hex(&server.parent_span_id), "b7ad6b7169203331");
    assert_eq!((&call.trace_id, &call.parent_span_id), (&server.trace_id, &server.span_id));
    assert_eq!((server.kind, call.kind), (SpanKind::Server as i32, SpanKind::Client as i32));
    // What the application is told is the span of the call.
    let told = application.take()[0].header("traceparent").unwrap().to_owned();
    assert_eq!(told, format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", hex(&call.span_id)));

    let messages = collector.0.lock().unwrap();
    for (head, body) in messages.iter() {
        assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
        assert!(head.contains("x-collector-key: hunter2"), "{head}");
        let text = String::from_utf8_lossy(body);
        assert!(text.contains("bridge-under-test") && text.contains("http.route"), "{text}");
        for word in ["4711", "lovelace", "hunter"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }
}

#[tokio::test]
async fn only_the_wanted_part_is_sent() {
    let application = Application::start(|_| reply(200, &json!({ "id": 7, "login": "a" }))).await;
    let (collector, address) = Collector::start().await;
    let options = options(&format!("http://{address}"), 0.0);
    let bridge = Bridge::tracing(PEOPLE, &application.origin, options).await;
    assert_eq!(get(&bridge, "/scim/v2/Users/7", None).await, 200);
    let unwanted = CALLER.replace("-01", "-00");
    assert_eq!(get(&bridge, "/scim/v2/Users/7", Some(&unwanted)).await, 200);
    bridge.stop().await;
    assert!(collector.spans().is_empty(), "{:?}", collector.spans());
}

#[tokio::test]
async fn nobody_waits_for_a_collector_that_is_away() {
    let application = Application::start(|_| reply(200, &json!({ "id": 7, "login": "a" }))).await;
    let nobody = Nobody::new();
    let options = options(&nobody.origin(), 1.0);
    let bridge = Bridge::tracing(PEOPLE, &application.origin, options).await;
    for _ in 0..20 {
        assert_eq!(get(&bridge, "/scim/v2/Users/7", None).await, 200);
    }
    bridge.stop().await;
}
