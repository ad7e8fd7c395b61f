//! An identity provider on a connection of its own, with users of its own.
#![cfg(test)]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::end_to_end::bridge::{filter, token};
use crate::http::{Answer, Connection, request};
use crate::soak::model::{Person, Possible};
use crate::soak::proxy::Random;

/// Users of one worker.
const USERS: usize = 8;

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) answers: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) wrong: Mutex<Vec<String>>,
}

pub(crate) struct Worker {
    number: usize,
    address: SocketAddr,
    connection: Option<Connection>,
    tally: Arc<Tally>,
    random: Random,
    users: Vec<User>,
    titles: u64,
}

#[derive(Default)]
struct User {
    name: String,
    id: Option<String>,
    possible: Possible,
}

impl Worker {
    pub(crate) fn new(number: usize, address: SocketAddr, tally: Arc<Tally>) -> Self {
        let user = |user| User { name: format!("w{number}-u{user}"), ..User::default() };
        let users = (0..USERS).map(user).collect();
        let random = Random(number as u64 * 7919 + 1);
        Self { number, address, connection: None, tally, random, users, titles: 0 }
    }

    pub(crate) async fn work(mut self, until: Instant) {
        while Instant::now() < until {
            let which = usize::try_from(self.random.below(USERS as u64)).unwrap();
            let mut user = std::mem::take(&mut self.users[which]);
            self.step(&mut user).await;
            self.users[which] = user;
        }
    }

    async fn step(&mut self, user: &mut User) {
        let kind = self.random.below(10);
        let Some(id) = user.id.clone() else {
            // Whoever has no id looks for one, as after an answer that was lost.
            return if kind < 6 { self.create(user).await } else { self.find(user).await };
        };
        match kind {
            0..3 => self.read(user, &id).await,
            3 | 4 => self.find(user).await,
            5 | 6 => self.retitle(user, &id).await,
            7 => self.switch(user, &id).await,
            8 => self.replace(user, &id).await,
            _ => self.delete(user, &id).await,
        }
    }

    async fn find(&mut self, user: &mut User) {
        let asked = filter(&format!("userName eq {}", json!(user.name)));
        let Some(answer) = self.ask("GET", &format!("/Users?{asked}"), None).await else { return };
        let body = answer.json();
        let (total, found) = (&body["totalResults"], &body["Resources"][0]);
        let seen = (answer.status == 200 && *total == json!(1)).then(|| person(found));
        let is_list = answer.status == 200 && (*total == json!(0) || *total == json!(1));
        let before = format!("{:?}", user.possible);
        self.judge(is_list && user.possible.see(seen.clone()), &before, "find", &answer);
        user.id = seen.and_then(|_| found["id"].as_str().map(str::to_owned));
    }

    async fn read(&mut self, user: &mut User, id: &str) {
        let Some(answer) = self.ask("GET", &format!("/Users/{id}"), None).await else { return };
        let before = format!("{:?}", user.possible);
        let fits = match answer.status {
            200 => user.possible.see(Some(person(&answer.json()))),
            404 => user.possible.see(None),
            _ => false,
        };
        if answer.status == 404 {
            user.id = None;
        }
        self.judge(fits, &before, "read", &answer);
    }

    async fn create(&mut self, user: &mut User) {
        let new = self.person(true);
        let body = json!({ "userName": user.name, "title": new.title });
        let before = format!("{:?}", user.possible);
        let Some(answer) = self.ask("POST", "/Users", Some(&body)).await else {
            // Somebody who was deleted comes back step by step.
            let back =
                user.possible.people().into_iter().map(|old| Some(Person { active: true, ..old }));
            let back: Vec<_> = back.collect();
            user.possible.may_become(back);
            user.possible.may_become([Some(new.clone()), Some(Person { active: false, ..new })]);
            user.possible.may_become([
                Some(Person { title: None, active: true }),
                Some(Person { title: None, active: false }),
            ]);
            return;
        };
        let fits = match answer.status {
            201 => user.possible.may_be_absent() && person(&answer.json()) == new,
            409 => user.possible.may_be_there(),
            _ => false,
        };
        if answer.status == 201 {
            user.id = answer.json()["id"].as_str().map(str::to_owned);
            user.possible.become_that(Some(new));
        }
        self.judge(fits, &before, "create", &answer);
    }

    async fn retitle(&mut self, user: &mut User, id: &str) {
        let title = self.person(true).title;
        let body = json!({ "Operations": [{ "op": "replace", "path": "title", "value": title }] });
        let change = |old: Person| Person { title: title.clone(), ..old };
        self.change(user, "PATCH", id, &body, change).await;
    }

    async fn switch(&mut self, user: &mut User, id: &str) {
        let active = self.random.below(2) == 0;
        let body =
            json!({ "Operations": [{ "op": "replace", "path": "active", "value": active }] });
        self.change(user, "PATCH", id, &body, |old| Person { active, ..old }).await;
    }

    async fn replace(&mut self, user: &mut User, id: &str) {
        let new = self.person(self.random_half());
        let body = json!({ "userName": user.name, "title": new.title, "active": new.active });
        self.change(user, "PUT", id, &body, |_| new.clone()).await;
    }

    /// A change of somebody who may be there.
    async fn change(
        &mut self,
        user: &mut User,
        method: &str,
        id: &str,
        body: &Value,
        change: impl Fn(Person) -> Person,
    ) {
        let changed: Vec<Person> = user.possible.people().into_iter().map(change).collect();
        let before = format!("{:?}", user.possible);
        let Some(answer) = self.ask(method, &format!("/Users/{id}"), Some(body)).await else {
            user.possible.may_become(changed.into_iter().map(Some));
            return;
        };
        let fits = match answer.status {
            200 => {
                let seen = person(&answer.json());
                let fits = changed.contains(&seen);
                user.possible.become_that(Some(seen));
                fits
            }
            404 => {
                user.id = None;
                user.possible.see(None)
            }
            _ => false,
        };
        self.judge(fits, &before, method, &answer);
    }

    async fn delete(&mut self, user: &mut User, id: &str) {
        let before = format!("{:?}", user.possible);
        let Some(answer) = self.ask("DELETE", &format!("/Users/{id}"), None).await else {
            // Switched off is half of it.
            let off = user.possible.people().into_iter();
            let off: Vec<_> = off.map(|old| Some(Person { active: false, ..old })).collect();
            user.possible.may_become(off);
            user.possible.may_become([None]);
            return;
        };
        let fits = match answer.status {
            204 => user.possible.may_be_there(),
            404 => user.possible.may_be_absent(),
            _ => false,
        };
        user.possible.become_that(None);
        user.id = None;
        self.judge(fits, &before, "delete", &answer);
    }

    fn person(&mut self, active: bool) -> Person {
        self.titles += 1;
        Person { title: Some(format!("title {}-{}", self.number, self.titles)), active }
    }

    fn random_half(&self) -> bool {
        self.titles.is_multiple_of(2)
    }

    /// The answer; `None` when it says that the same request may be made again.
    async fn ask(&mut self, method: &str, target: &str, body: Option<&Value>) -> Option<Answer> {
        let bearer = format!("Bearer {}", token("main"));
        let headers =
            [("Authorization", bearer.as_str()), ("Content-Type", "application/scim+json")];
        let bytes = body.map(ToString::to_string).unwrap_or_default();
        let target = format!("/scim/v2{target}");
        let bytes = request(self.address, method, &target, &headers, bytes.as_bytes());
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.address).await,
        };
        connection.write(&bytes).await;
        let Some(answer) = connection.answer(method).await else {
            self.tally.wrong.lock().unwrap().push(format!("{method} {target}: no answer"));
            return None;
        };
        if answer.header("connection") != Some("close") {
            self.connection = Some(connection);
        }
        self.tally.answers.fetch_add(1, Ordering::Relaxed);
        if !matches!(answer.status, 429 | 502 | 503 | 504) {
            return Some(answer);
        }
        self.tally.refused.fetch_add(1, Ordering::Relaxed);
        let after = answer.header("retry-after").map(str::parse::<u64>);
        let is_whole = after.as_ref().is_none_or(Result::is_ok);
        let is_said = answer.status == 502 || after.is_some();
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let is_error = answer.json()["detail"].is_string();
        if !is_whole || !is_said || !is_error || text.contains("hunter2") || text.contains("html") {
            self.judge(false, "-", method, &answer);
        }
        None
    }

    fn judge(&self, fits: bool, before: &str, what: &str, answer: &Answer) {
        if !fits {
            let body = String::from_utf8_lossy(&answer.body);
            let told = format!("{what} over {before}: {} {body}", answer.status);
            self.tally.wrong.lock().unwrap().push(told);
        }
    }
}

fn person(resource: &Value) -> Person {
    Person {
        title: resource["title"].as_str().map(str::to_owned),
        active: resource["active"].as_bool().unwrap_or(true),
    }
}
