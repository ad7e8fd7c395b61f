//! What is not SCIM goes to the application unchanged, and SCIM never does.
#![cfg(test)]

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::end_to_end::application::{Application, Nobody, Reply, json as reply, whole};
use crate::end_to_end::binary::{Binary, Installation};
use crate::end_to_end::bridge::{PEOPLE, call, token};
use crate::http::{Connection, request, send};

/// The application behind one host name, its SCIM at `/scim`.
async fn start(more: &str) -> (Application, Installation, Binary) {
    let application = Application::start(|call| {
        if call.target.starts_with("/api/people/7") {
            return reply(200, &json!({ "id": 7, "login": "ada" }));
        }
        Reply::Whole(whole(203, &[("X-App", "yes"), ("Content-Type", "text/plain")], &call.body))
    })
    .await;
    let (installation, binary) = in_front_of(&application.origin, more).await;
    (application, installation, binary)
}

/// A bridge that passes on what is not SCIM; `more` is added to what says so.
async fn in_front_of(origin: &str, more: &str) -> (Installation, Binary) {
    let installation = Installation::new(origin);
    let pass = format!("[tenants.passthrough]\nurl = \"{origin}\"\n{more}[tenants.config]");
    installation.edit(|text| {
        text.replace("[tenants.config]", &pass)
            .replace("[[tenants]]\n", "[[tenants]]\nbase_path = \"/scim\"\n")
    });
    let binary = installation.serve().await;
    (installation, binary)
}

/// A head as an application written by hand reads it.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await;
        head.push(byte.unwrap_or_else(|error| panic!("{error}: {}", head.escape_ascii())));
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

async fn expect(stream: &mut TcpStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    let read = timeout(Duration::from_secs(20), stream.read_exact(&mut bytes)).await;
    read.expect("it comes at once").unwrap();
    assert_eq!(bytes, expected, "{}", String::from_utf8_lossy(&bytes));
}

/// The metrics, once one of their lines begins so.
async fn counted(binary: &Binary, line: &str) -> String {
    for _ in 0..200 {
        let answer = send(binary.admin, "GET", "/metrics", &[], b"").await;
        let text = String::from_utf8(answer.body).unwrap();
        if text.lines().any(|one| one.starts_with(line)) {
            return text;
        }
        sleep(Duration::from_millis(25)).await;
    }
    panic!("{line} is not counted");
}

#[tokio::test]
async fn what_is_not_scim_goes_through_unchanged() {
    let (application, _installation, binary) = start("").await;
    let body = "x".repeat(3_000_000);
    let headers = [
        ("Authorization", "Basic dTpw"),
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-Prefix", "/evil"),
        ("X-Real-IP", "6.6.6.6"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"),
        ("Forwarded", "for=6.6.6.6"),
        ("Connection", "X-Mine, Upgrade, HTTP2-Settings"),
        ("X-Mine", "1"),
        ("Content-Type", "application/octet-stream"),
    ];
    let target = "/files/a%2Fb?c=%20d";
    let answer = send(binary.address, "PROPFIND", target, &headers, body.as_bytes()).await;
    assert_eq!((answer.status, answer.header("x-app")), (203, Some("yes")), "{answer:?}");
    assert_eq!(answer.body.len(), body.len());
    let calls = application.take();
    let [passed] = calls.as_slice() else { panic!("{} calls", calls.len()) };
    assert_eq!((passed.method.as_str(), passed.target.as_str()), ("PROPFIND", target));
    assert_eq!(passed.body.len(), body.len());
    assert_eq!(passed.header("authorization"), Some("Basic dTpw"));
    assert_eq!(passed.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(passed.header("x-forwarded-proto"), Some("http"));
    assert_eq!(passed.header("host"), Some(binary.address.to_string().as_str()));
    for gone in ["forwarded", "x-mine", "x-forwarded-prefix", "x-real-ip", "upgrade", "connection"]
    {
        assert_eq!(passed.header(gone), None, "{gone}");
    }

    let ada = call(binary.address, &token("main"), "GET", "/scim/Users/7", None).await;
    assert_eq!(ada.json()["userName"], json!("ada"));
}

#[tokio::test]
async fn no_spelling_of_a_scim_path_reaches_the_application() {
    let (application, _installation, binary) = start("").await;
    for target in [
        "/scim",
        "/scim/v2/Users",
        "/SCIM/v2/Users",
        "//scim/v2/Users",
        "/./scim/v2/Users",
        "/a/../scim/v2/Users",
        "/%73cim/v2/Users",
        "/%2Fscim/v2/Users",
        "/%2e/scim/v2/Users",
        "/%2573cim/v2/Users",
        "/scim%2Fv2/Users",
        "/scim;x/v2/Users",
        "/.%2e/scim",
        "/scim/../x",
        "http://elsewhere/x",
    ] {
        // Without a token, which would be reason enough.
        let answer = send(binary.address, "GET", target, &[], b"").await;
        assert!(matches!(answer.status, 400..=499), "{target}: {answer:?}");
        assert_eq!(answer.header("x-app"), None, "{target}");
    }
    assert!(application.calls().is_empty(), "{:?}", application.calls());
    // Two lengths: what one takes for a body, another takes for a request. Only one goes on.
    let smuggled = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\
        Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /y HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut connection = Connection::open(binary.address).await;
    connection.write(smuggled).await;
    connection.answer("POST").await;
    for call in application.calls() {
        assert_eq!((call.line().as_str(), call.header("content-length")), ("POST /x", None));
        assert_eq!(call.header("transfer-encoding"), Some("chunked"));
    }
}

/// On a machine that has much else to do pingora sometimes ends an upgraded connection at once; as
/// far as its code tells, when the 101 is there before the end of the request's empty body has gone
/// its way inside of the proxy. Clients connect again, and so does this one.
#[tokio::test]
async fn a_connection_that_is_upgraded_carries_what_it_likes() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let (_installation, binary) = in_front_of(&origin, "").await;
    let application = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = read_head(&mut stream).await;
            assert!(head.contains("upgrade: websocket"), "{head}");
            let answer = b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            let (mut reader, mut writer) = stream.split();
            tokio::io::copy(&mut reader, &mut writer).await.ok();
        }
    });
    let headers = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let asked = request(binary.address, "GET", "/socket", &headers, b"");
    for attempt in 1.. {
        let mut stream = TcpStream::connect(binary.address).await.unwrap();
        stream.write_all(&asked).await.unwrap();
        let head = read_head(&mut stream).await;
        assert!(head.starts_with("http/1.1 101"), "{head}");
        let mut word = [0; 4];
        let sent = stream.write_all(b"ping").await;
        let came = timeout(Duration::from_secs(20), stream.read_exact(&mut word)).await;
        if sent.is_ok() && came.expect("it comes at once").is_ok() {
            assert_eq!(&word, b"ping");
            // More than one message, in pieces of any size.
            let long = vec![7; 100_000];
            stream.write_all(&long).await.unwrap();
            expect(&mut stream, &long).await;
            break;
        }
        assert!(attempt < 5, "ended at once each time");
    }
    application.abort();
}

#[tokio::test]
async fn an_application_that_is_away_is_a_bad_gateway() {
    let nobody = Nobody::new();
    let (_installation, binary) = in_front_of(&nobody.origin(), "").await;
    let body = "x".repeat(100_000);
    for (method, body) in [("GET", ""), ("HEAD", ""), ("POST", body.as_str())] {
        let answer = send(binary.address, method, "/secret?q=hidden", &[], body.as_bytes()).await;
        let text: &[u8] =
            if method == "HEAD" { b"" } else { b"The application gives no answer.\n" };
        assert_eq!((answer.status, answer.body.as_slice()), (502, text), "{method}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{method}");
        assert!(answer.header("x-request-id").is_some(), "{method}");
    }
    let of_pass = "scimbridge_passed_request_duration_seconds_count{tenant=\"main\"";
    counted(&binary, &format!("{of_pass},outcome=\"unreachable\"}} 3")).await;
    let metrics = counted(&binary, "scimbridge_requests_in_flight").await;
    assert!(!metrics.contains("scimbridge_request_duration_seconds_count"), "{metrics}");
    let log = binary.log();
    let passed = log.iter().filter(|line| line.contains("passed on") && line.contains("502"));
    assert_eq!(passed.count(), 3, "{log:?}");
    assert!(!log.concat().contains("secret") && !log.concat().contains("hidden"), "{log:?}");
}

#[tokio::test]
async fn an_application_that_says_nothing_is_waited_for_so_long() {
    let application = Application::start(|_| Reply::Silence).await;
    let (_installation, binary) = in_front_of(&application.origin, "silence_seconds = 1\n").await;
    let begun = Instant::now();
    let answer = send(binary.address, "GET", "/", &[], b"").await;
    assert_eq!(answer.status, 504);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    counted(
        &binary,
        "scimbridge_passed_request_duration_seconds_count{tenant=\"main\",outcome=\"timed_out\"} 1",
    )
    .await;
}

#[tokio::test]
async fn a_token_of_the_bridge_never_reaches_the_application() {
    let (application, _installation, binary) = start("").await;
    // The path of somebody who has forgotten the base path.
    for value in [format!("Bearer {}", token("main")), token("main")] {
        let answer =
            send(binary.address, "GET", "/v2/Users", &[("Authorization", &value)], b"").await;
        assert_eq!(answer.status, 404, "{answer:?}");
    }
    assert!(application.calls().is_empty(), "{:?}", application.calls());
    let other = [("Authorization", "Bearer of-the-application")];
    assert_eq!(send(binary.address, "GET", "/v2/Users", &other, b"").await.status, 203);
    let calls = application.take();
    assert_eq!(calls[0].header("authorization"), Some("Bearer of-the-application"));
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_and_named() {
    let (application, installation, binary) = start("host = \"inner.test:81\"\n").await;
    drop(binary);
    installation.configure(PEOPLE, "[access]\ntrusted_proxies = [\"127.0.0.0/8\"]\n");
    let binary = installation.serve().await;
    let headers = [
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "app.test"),
        ("X-Request-Id", "mine-1"),
        ("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ];
    assert_eq!(send(binary.address, "GET", "/", &headers, b"").await.status, 203);
    let calls = application.take();
    let passed = &calls[0];
    assert_eq!(passed.header("x-forwarded-for"), Some("192.0.2.7, 127.0.0.1"));
    assert_eq!(passed.header("x-forwarded-proto"), Some("https"));
    assert_eq!(passed.header("x-forwarded-host"), Some("app.test"));
    assert_eq!(passed.header("host"), Some("inner.test:81"));
    for (name, value) in [headers[3], headers[4]] {
        assert_eq!(passed.header(&name.to_ascii_lowercase()), Some(value));
    }
}

#[tokio::test]
async fn every_host_has_its_own_application() {
    let named = |name: &'static str| {
        Application::start(move |_| {
            Reply::Whole(whole(200, &[("Content-Type", "text/plain")], name))
        })
    };
    let (one, other) = (named("one").await, named("other").await);
    let installation = Installation::new(&one.origin);
    let section =
        |origin: &str| format!("base_path = \"/scim\"\npassthrough = {{ url = \"{origin}\" }}\n");
    installation.edit(|text| {
        let first = format!("[[tenants]]\nhost = \"one.test\"\n{}", section(&one.origin));
        let (_, settings) = text.split_once("[tenants.config]").unwrap();
        let second = format!(
            "[[tenants]]\nname = \"second\"\nmapping = \"mapping.yaml\"\n\
             host = \"other.test\"\n{}[tenants.config]{settings}",
            section(&other.origin)
        );
        text.replace("[[tenants]]\n", &first) + &second
    });
    let binary = installation.serve().await;
    let at = async |host: &str, target: &str| {
        let text = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let mut connection = Connection::open(binary.address).await;
        connection.write(text.as_bytes()).await;
        let answer = connection.answer("GET").await.unwrap();
        (answer.status, String::from_utf8(answer.body).unwrap())
    };
    assert_eq!(at("one.test", "/").await, (200, "one".to_owned()));
    assert_eq!(at("OTHER.test:8443", "/x").await, (200, "other".to_owned()));
    assert_eq!(at("third.test", "/x").await.0, 404);
    assert_eq!(at("one.test", "/scim/v2/Users").await.0, 401);
    let calls = one.take().len() + other.take().len();
    assert_eq!(calls, 2);

    // The other application moves, and what is configured is served without a restart.
    installation.edit(|text| text.replace(&other.origin, &one.origin));
    let reload = installation.run(&["reload", "--url", &binary.admin_url()]).await;
    assert!(reload.status.success(), "{reload:?}");
    assert_eq!(at("other.test", "/x").await, (200, "one".to_owned()));
}

#[tokio::test]
async fn bodies_flow_both_ways_before_either_is_whole() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let (_installation, binary) = in_front_of(&origin, "").await;
    let application = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = read_head(&mut stream).await;
        assert!(head.contains("expect: 100-continue"), "{head}");
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
        expect(&mut stream, b"ping").await;
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npong\r\n";
        stream.write_all(answer).await.unwrap();
        expect(&mut stream, b"more").await;
        stream.write_all(b"4\r\nends\r\n0\r\n\r\n").await.unwrap();
    });
    let mut stream = TcpStream::connect(binary.address).await.unwrap();
    let head =
        "POST /both HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("http/1.1 100"));
    stream.write_all(b"ping").await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("http/1.1 200") && head.contains("chunked"), "{head}");
    expect(&mut stream, b"4\r\npong\r\n").await;
    stream.write_all(b"more").await.unwrap();
    expect(&mut stream, b"4\r\nends\r\n0\r\n\r\n").await;
    application.await.unwrap();
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_and_keeps_its_length() {
    let application = Application::start(|call| {
        let head = "HTTP/1.1 200 X\r\nContent-Length: 12345\r\nETag: \"1\"\r\n\r\n".to_owned();
        if call.method == "HEAD" { Reply::Begun(head) } else { Reply::Silence }
    })
    .await;
    let (_installation, binary) = in_front_of(&application.origin, "").await;
    let mut connection = Connection::open(binary.address).await;
    for _ in 0..2 {
        connection.write(&request(binary.address, "HEAD", "/", &[], b"")).await;
        let answer = connection.answer("HEAD").await.unwrap();
        assert_eq!((answer.status, answer.header("content-length")), (200, Some("12345")));
        assert_eq!(answer.header("etag"), Some("\"1\""));
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_flows_through_is_not_kept() {
    const SIZE: usize = 64 * 1024 * 1024;
    const MOST: u64 = 16 * 1024 * 1024;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let (_installation, binary) = in_front_of(&origin, "").await;
    let application = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        let mut buffer = vec![0; 64 * 1024];
        let mut received = 0;
        while received < SIZE {
            received += stream.read(&mut buffer).await.unwrap();
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..SIZE / buffer.len() {
            stream.write_all(&buffer).await.unwrap();
        }
    });
    let before = binary.memory("VmRSS");
    let mut stream = TcpStream::connect(binary.address).await.unwrap();
    let head = format!("PUT /large HTTP/1.1\r\nHost: x\r\nContent-Length: {SIZE}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 64 * 1024];
    for _ in 0..SIZE / buffer.len() {
        stream.write_all(&buffer).await.unwrap();
    }
    assert!(read_head(&mut stream).await.starts_with("http/1.1 200"));
    // The application sends faster than this client takes.
    sleep(Duration::from_secs(1)).await;
    let mut received = 0;
    while received < SIZE {
        received += stream.read(&mut buffer).await.unwrap();
    }
    application.await.unwrap();
    let grown = binary.memory("VmHWM").saturating_sub(before);
    assert!(grown < MOST, "{grown} bytes more at most");
}

#[tokio::test]
async fn a_tenant_at_the_root_has_nothing_to_pass_on() {
    let installation = Installation::new("http://127.0.0.1:9");
    let pass = "[tenants.passthrough]\nurl = \"http://127.0.0.1:9\"\n[tenants.config]";
    installation.edit(|text| text.replace("[tenants.config]", pass));
    let output = installation.run(&["serve", "--config", "scimbridge.toml"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("tenants[0].passthrough: needs"));
}
