//! What keeps an application from more than it can take: shared reads, its own word on budgets, a
//! breaker, and a line in which urgent calls go first.
#![cfg(test)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use scimbridge::exchange::traffic::{BreakerState, CallOutcome};
use scimbridge::exchange::upstream::{Upstream, UpstreamError};
use scimbridge::mapping::access::{Breaker, Rate};
use scimbridge::native::message::{Method, NativeRequest};

use crate::upstream::client::{api, get, request, upstream};
use crate::upstream::server::{Reply, Server, answer, dropped, ok, status};

const A_WHILE: Duration = Duration::from_millis(50);

fn late(body: &str) -> Reply {
    let length = body.len();
    Reply::Late(A_WHILE, format!("HTTP/1.1 200 X\r\nContent-Length: {length}\r\n\r\n{body}"))
}

#[tokio::test]
async fn identical_reads_in_flight_are_one_call() {
    let server = Server::start(|_, _| late("7")).await;
    let upstream = upstream(&server.api());
    let answers = join_all((0..5).map(|_| upstream.call(get("/users/1")))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap().status == 200));
    assert_eq!(server.lines(), ["GET /api/users/1"]);
    assert_eq!(upstream.traffic().unwrap().shared(), 4);
    // The next one is another moment.
    upstream.call(get("/users/1")).await.unwrap();
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test]
async fn a_read_after_a_write_shares_nothing_from_before_it() {
    let writes = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |seen, _| {
        if seen.line.starts_with("PUT") {
            writes.fetch_add(1, Ordering::Relaxed);
            return status(204);
        }
        let body = writes.load(Ordering::Relaxed).to_string();
        if body == "0" { late(&body) } else { ok(&body) }
    })
    .await;
    let upstream = upstream(&server.api());
    let before = upstream.call(get("/users/1"));
    let after = async {
        while server.lines().is_empty() {
            tokio::task::yield_now().await;
        }
        upstream.call(request(Method::Put, "/users/2")).await.unwrap();
        upstream.call(get("/users/1")).await
    };
    let (before, after) = tokio::join!(before, after);
    assert_eq!(before.unwrap().json(), Some(&0.into()));
    assert_eq!(after.unwrap().json(), Some(&1.into()));
}

#[tokio::test]
async fn whoever_joined_a_read_that_failed_asks_for_itself() {
    let server = Server::start(|_, number| if number == 0 { dropped() } else { ok("7") }).await;
    let mut api = server.api();
    api.retry.attempts = 1;
    let upstream = upstream(&api);
    let outcomes = join_all((0..3).map(|_| upstream.call(get("/users/1")))).await;
    let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    assert_eq!(failed, 1, "{outcomes:?}");
}

#[tokio::test]
async fn an_application_that_asks_for_less_gets_less() {
    let spent = answer(200, "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 60\r\n", "7");
    let busy = answer(429, "Retry-After: 60\r\n", "");
    let away = answer(503, "Retry-After: 60\r\n", "");
    for reply in [spent, busy, away] {
        let server = Server::start(move |_, _| reply.clone()).await;
        let upstream = upstream(&server.api());
        upstream.call(get("/users/1")).await.unwrap();
        for method in [Method::Get, Method::Post] {
            match upstream.call(request(method, "/users/2")).await {
                Err(UpstreamError::Throttled { retry_after }) => {
                    assert!(retry_after > Duration::from_secs(50), "{retry_after:?}");
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(server.lines().len(), 1);
        let traffic = upstream.traffic().unwrap();
        assert_eq!(traffic.ended(CallOutcome::TurnedAway), 2);
        assert_eq!(traffic.budget_left(), Some(0));
    }
}

#[tokio::test]
async fn a_creation_that_was_refused_for_its_number_is_repeated() {
    let server = Server::playing(vec![status(429), status(201)]).await;
    let upstream = upstream(&server.api());
    assert_eq!(upstream.call(request(Method::Post, "/users")).await.unwrap().status, 201);
    assert_eq!(upstream.traffic().unwrap().repeated(), 1);
}

#[tokio::test]
async fn a_burst_is_absorbed_while_there_is_time_for_it() {
    let server = Server::start(|_, _| ok("{}")).await;
    let mut api = server.api();
    api.rate = Some(Rate { most: 5, per: A_WHILE });
    // Less than the last of them waits for its turn.
    api.timeout = A_WHILE * 2;
    let upstream = upstream(&api);
    let patience = Some(Duration::from_mins(1));
    let calls =
        (0..30).map(|id| upstream.call(NativeRequest { patience, ..get(&format!("/users/{id}")) }));
    let refused = join_all(calls).await.into_iter().filter(Result::is_err).count();
    assert_eq!((refused, server.lines().len()), (0, 30));
    assert!(upstream.traffic().unwrap().waits().0 >= 25);
}

fn breaker(failures: u32, pause: Duration) -> Breaker {
    Breaker { failures, pause: (pause, pause), on: vec![503] }
}

#[tokio::test]
async fn an_application_that_is_away_is_left_alone() {
    let server = Server::start(|_, _| dropped()).await;
    let mut api = server.api();
    api.retry.attempts = 1;
    api.breaker = breaker(3, Duration::from_mins(1));
    let upstream = upstream(&api);
    for id in 0..3 {
        let outcome = upstream.call(get(&format!("/users/{id}"))).await;
        assert!(matches!(outcome, Err(UpstreamError::Interrupted(_))), "{outcome:?}");
    }
    for _ in 0..3 {
        let outcome = upstream.call(get("/users/9")).await;
        assert!(matches!(outcome, Err(UpstreamError::LeftAlone { .. })), "{outcome:?}");
    }
    assert_eq!(server.lines().len(), 3);
    let traffic = upstream.traffic().unwrap();
    assert_eq!((traffic.breaker(), traffic.became(BreakerState::Open)), (BreakerState::Open, 1));
    assert_eq!(traffic.ended(CallOutcome::Interrupted), 3);
    assert_eq!(traffic.ended(CallOutcome::LeftAlone), 3);
}

#[tokio::test]
async fn one_call_finds_it_back() {
    let server = Server::start(|_, number| if number < 2 { dropped() } else { ok("{}") }).await;
    let mut api = server.api();
    api.retry.attempts = 1;
    api.breaker = breaker(2, Duration::ZERO);
    let upstream = upstream(&api);
    for id in 0..2 {
        assert!(upstream.call(get(&format!("/users/{id}"))).await.is_err());
    }
    assert_eq!(upstream.call(get("/users/9")).await.unwrap().status, 200);
    let traffic = upstream.traffic().unwrap();
    assert_eq!(traffic.breaker(), BreakerState::Closed);
    assert_eq!(BreakerState::ALL.map(|state| traffic.became(state)), [1, 1, 1]);
}

#[tokio::test]
async fn refusals_are_no_reason_to_leave_it_alone() {
    let server = Server::start(|_, _| status(422)).await;
    let mut api = server.api();
    api.breaker = breaker(2, Duration::from_mins(1));
    let upstream = upstream(&api);
    for _ in 0..50 {
        assert_eq!(upstream.call(request(Method::Post, "/users")).await.unwrap().status, 422);
    }
}

#[tokio::test]
async fn a_host_without_an_address_is_told_apart() {
    let upstream = upstream(&api(&format!("http://{}.test", "x".repeat(70))));
    let outcome = upstream.call(get("/users")).await;
    assert!(matches!(outcome, Err(UpstreamError::Unresolved(Some(_)))), "{outcome:?}");
}
