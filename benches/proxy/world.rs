//! An application with people and teams in memory, as many as are wanted, that speaks as
//! `mappings/legacy-app.yaml` expects and counts its calls.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::Outcome;
use crate::stub::{Application, answer, person, serve_all};

/// The team that is there from the beginning.
pub(crate) const TEAM: u32 = 9;

/// Everything it holds.
struct World {
    port: u16,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    calls: u64,
    people: BTreeSet<u32>,
    logins: BTreeMap<String, u32>,
    teams: BTreeMap<u32, Team>,
}

#[derive(Default)]
struct Team {
    name: String,
    members: BTreeSet<u32>,
}

/// Serves for ever, with this many people, and this many members in one team.
pub(crate) fn serve(port: u16, people: u32, members: u32) -> Outcome<()> {
    let mut state = State::default();
    for number in 1..=people {
        state.people.insert(number);
        state.logins.insert(login(number), number);
    }
    let team = Team { name: "Owls".to_owned(), members: (1..=members).collect() };
    state.teams.insert(TEAM, team);
    serve_all(port, World { port, state: Mutex::new(state) })
}

/// The login of somebody who is there from the beginning.
pub(crate) fn login(number: u32) -> String {
    format!("person{number}")
}

impl Application for World {
    fn answer(&self, request: &[u8]) -> Cow<'_, [u8]> {
        let text = String::from_utf8_lossy(request);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let mut words = head.split(' ');
        let method = words.next().unwrap_or_default();
        let target = words.next().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if path == "/calls" {
            return Cow::Owned(answer("200 OK", &state.calls.to_string()));
        }
        state.calls += 1;
        let segments: Vec<&str> = path.trim_start_matches("/api/").split('/').collect();
        Cow::Owned(self.respond(&mut state, method, &segments, query, body))
    }
}

impl World {
    fn respond(
        &self,
        state: &mut State,
        method: &str,
        segments: &[&str],
        query: &str,
        body: &str,
    ) -> Vec<u8> {
        let number = |text: &str| text.parse::<u32>().unwrap_or_default();
        match (method, segments) {
            ("GET", ["people"]) => match parameter(query, "login") {
                Some(login) => found(state.logins.get(login).map(|it| human(*it, login))),
                None => self.page("people", query, &state.people, |it| human(*it, &login(*it))),
            },
            ("POST", ["people"]) => {
                let number = state.people.last().copied().unwrap_or_default() + 1;
                let login = member(body, "login");
                state.people.insert(number);
                state.logins.insert(login.clone(), number);
                answer("201 Created", &human(number, &login))
            }
            ("GET" | "PATCH", ["people", id]) if state.people.contains(&number(id)) => {
                answer("200 OK", &human(number(id), &login(number(id))))
            }
            ("GET", ["teams"]) => {
                let name = parameter(query, "name").unwrap_or_default();
                let mut teams = state.teams.iter();
                found(teams.find(|(_, it)| it.name == name).map(|(id, it)| club(*id, it)))
            }
            ("POST", ["teams"]) => {
                let number = state.teams.last_key_value().map_or(0, |(id, _)| *id) + 1;
                let team = Team { name: member(body, "name"), members: BTreeSet::new() };
                let text = club(number, &team);
                state.teams.insert(number, team);
                answer("201 Created", &text)
            }
            (_, ["teams", id, rest @ ..]) => {
                let Some(team) = state.teams.get_mut(&number(id)) else { return unknown() };
                match (method, rest) {
                    ("GET" | "PATCH", []) => answer("200 OK", &club(number(id), team)),
                    ("GET", ["members"]) => {
                        let path = format!("teams/{id}/members");
                        self.page(&path, query, &team.members, |it| member_of(*it))
                    }
                    ("PUT", ["members", who]) => {
                        team.members.insert(number(who));
                        b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()
                    }
                    ("DELETE", ["members", who]) => {
                        team.members.remove(&number(who));
                        b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()
                    }
                    _ => unknown(),
                }
            }
            _ => unknown(),
        }
    }

    fn page(
        &self,
        path: &str,
        query: &str,
        all: &BTreeSet<u32>,
        show: impl Fn(&u32) -> String,
    ) -> Vec<u8> {
        let number = |name: &str| parameter(query, name).and_then(|it| it.parse::<usize>().ok());
        let (size, page) = (number("per_page").unwrap_or(25), number("page").unwrap_or(1).max(1));
        // The numbers are without gaps from 1, unless somebody has been taken out; good enough.
        let first = u32::try_from((page - 1) * size).unwrap_or(u32::MAX);
        let records: Vec<String> = all.range(first + 1..).take(size).map(show).collect();
        let mut head = format!("200 OK\r\nX-Total-Count: {}", all.len());
        if all.last().is_some_and(|last| *last as usize > page * size) {
            let (port, next) = (self.port, page + 1);
            let link = format!("http://127.0.0.1:{port}/api/{path}?per_page={size}&page={next}");
            let written = write!(head, "\r\nLink: <{link}>; rel=\"next\"");
            written.unwrap_or_default();
        }
        answer(&head, &format!("[{}]", records.join(",")))
    }
}

fn found(record: Option<String>) -> Vec<u8> {
    let count = usize::from(record.is_some());
    let head = format!("200 OK\r\nX-Total-Count: {count}");
    answer(&head, &format!("[{}]", record.unwrap_or_default()))
}

fn unknown() -> Vec<u8> {
    answer("404 Not Found", r#"{"errors":[{"message":"no such thing"}]}"#)
}

fn human(number: u32, login: &str) -> String {
    let own = format!("\"login\":\"ada{number}\"");
    person(number, false).replacen(&own, &format!("\"login\":\"{login}\""), 1)
}

fn club(number: u32, team: &Team) -> String {
    let (name, count) = (&team.name, team.members.len());
    format!(
        r#"{{"id":{number},"name":"{name}","description":null,"external_ref":null,"member_count":{count},"created_at":1700000000,"updated_at":1700000060}}"#
    )
}

fn member_of(number: u32) -> String {
    format!(r#"{{"id":{number},"login":"person{number}","full_name":"Person {number}"}}"#)
}

fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(have, _)| *have == name).map(|(_, value)| value)
}

fn member(body: &str, name: &str) -> String {
    let value: Value = serde_json::from_str(body).unwrap_or_default();
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
