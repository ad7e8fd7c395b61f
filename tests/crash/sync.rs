//! An identity provider's synchronisation: it looks up, creates, changes, deactivates and
//! deletes users, and fills groups. Whatever it does can be done again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::client::{Answer, Client};
use crate::processes::World;

/// Requests under way at a time.
const WIDTH: usize = 6;

/// Users in a group.
const CREW: usize = 20;

/// What is to become of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Active,
    Inactive,
    Deleted,
}

/// Something to be made true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    User(usize),
    Group(usize),
}

/// What the identity provider knows and wants.
pub(crate) struct Sync {
    users: usize,
    /// Grows when everything has been made true, so that there is always something to do.
    generation: u64,
    open: Vec<Task>,
    /// The ids that it was told, by user.
    pub(crate) ids: BTreeMap<usize, String>,
    /// The ids of users whose deletion was confirmed.
    pub(crate) gone: BTreeMap<usize, String>,
    /// Requests whose answers never came.
    pub(crate) cut: u64,
}

/// What came of a task.
enum Done {
    Users(usize, Option<String>, bool),
    Group,
    /// No answer, or one that says to try again.
    Cut,
}

impl Sync {
    pub(crate) fn new(users: usize) -> Self {
        let mut sync = Self {
            users,
            generation: 0,
            open: Vec::new(),
            ids: BTreeMap::new(),
            gone: BTreeMap::new(),
            cut: 0,
        };
        sync.again();
        sync
    }

    /// Everything is looked at once more. The last comes first.
    pub(crate) fn again(&mut self) {
        let groups = (0..self.users / CREW).map(Task::Group);
        self.open = (0..self.users).map(Task::User).chain(groups).rev().collect();
    }

    fn fate(user: usize) -> Fate {
        match user % 10 {
            7 => Fate::Inactive,
            9 => Fate::Deleted,
            _ => Fate::Active,
        }
    }

    pub(crate) fn name(user: usize) -> String {
        format!("user{user:04}")
    }

    /// Goes on for a while, then lets everything fall that is under way. When all is done it
    /// begins with other values.
    pub(crate) async fn run_for(
        &mut self,
        client: &Client,
        time: Duration,
        mut later: impl FnMut() -> u64,
    ) {
        let until = Instant::now() + time;
        // Now and then the work of before is repeated.
        if later() < 100 {
            self.again();
        }
        self.run(client, Some(until)).await;
    }

    /// Goes on until everything is done.
    pub(crate) async fn finish(&mut self, client: &Client) {
        for _ in 0..50 {
            self.run(client, None).await;
            if self.open.is_empty() {
                return;
            }
        }
        panic!("the synchronisation comes to no end: {:?}", self.open);
    }

    async fn run(&mut self, client: &Client, until: Option<Instant>) {
        let mut under_way = FuturesUnordered::new();
        let mut failed = Vec::new();
        let mut running = BTreeSet::new();
        loop {
            while under_way.len() < WIDTH && until.is_none_or(|until| Instant::now() < until) {
                if self.open.is_empty() && until.is_some() {
                    self.generation += 1;
                    self.again();
                }
                // Groups come when all of their users are there.
                let Some(task) = self.open.pop() else { break };
                if matches!(task, Task::Group(_)) && running.first().is_some_and(is_user) {
                    self.open.push(task);
                    break;
                }
                running.insert(task);
                let (generation, user_ids) = (self.generation, &self.ids);
                let members = match task {
                    Task::Group(group) => members(group, user_ids),
                    Task::User(_) => BTreeSet::new(),
                };
                let gone = match task {
                    Task::User(user) => self.gone.contains_key(&user),
                    Task::Group(_) => false,
                };
                under_way.push(async move {
                    let done = match task {
                        Task::User(user) => make_user(client, user, generation, gone).await,
                        Task::Group(group) => make_group(client, group, members).await,
                    };
                    (task, done)
                });
            }
            let next = match until {
                Some(until) => tokio::time::timeout_at(until, under_way.next()).await,
                None => Ok(under_way.next().await),
            };
            let Ok(next) = next else { break };
            let Some((task, done)) = next else { break };
            running.remove(&task);
            match done {
                Done::Users(user, id, is_gone) => match (id, is_gone) {
                    (Some(id), true) => {
                        self.ids.remove(&user);
                        self.gone.insert(user, id);
                    }
                    (Some(id), false) => drop(self.ids.insert(user, id)),
                    (None, _) => {}
                },
                Done::Group => {}
                Done::Cut => {
                    self.cut += 1;
                    failed.push(task);
                }
            }
        }
        // What was under way when the time was over is not known to have happened.
        drop(under_way);
        self.cut += running.len() as u64;
        self.open.extend(running);
        self.open.extend(failed);
        self.open.sort_by(|one, other| other.cmp(one));
        self.open.dedup();
    }

    /// Everything is as it is wanted, and there is nothing else.
    pub(crate) async fn check_result(&self, client: &Client, world: &World) {
        let users = list(client, "Users").await;
        let mut found = BTreeMap::new();
        for user in &users {
            let name = user["userName"].as_str().expect("a name").to_owned();
            assert!(found.insert(name, user).is_none(), "two users of one name: {user}");
        }
        for user in 0..self.users {
            let there = found.remove(&Self::name(user));
            let Some(there) = there else {
                assert_eq!(Self::fate(user), Fate::Deleted, "user {user} is missing");
                continue;
            };
            assert_ne!(Self::fate(user), Fate::Deleted, "user {user} is still there");
            assert_eq!(there["active"], json!(Self::fate(user) == Fate::Active), "{there}");
            assert_eq!(there["title"], json!(title(self.generation)), "{there}");
            assert_eq!(there["nickName"], json!(nick(user)), "{there}");
            let known = self.ids.get(&user);
            assert_eq!(there["id"].as_str(), known.map(String::as_str), "user {user}");
        }
        assert!(found.is_empty(), "users that nobody wants: {found:?}");
        let groups = list(client, "Groups").await;
        assert_eq!(groups.len(), self.users / CREW, "groups");
        for number in 0..self.users / CREW {
            let name = group_name(number);
            let group = groups.iter().find(|group| group["displayName"] == json!(name));
            let id = group.expect("the group")["id"].as_str().expect("an id");
            let whole = client.ask("GET", &format!("/scim/v2/Groups/{id}"), None).await;
            let whole = whole.expect("an answer").body;
            let have = ids_of(&whole["members"]);
            assert_eq!(have, members(number, &self.ids), "{name}");
        }
        let natives = native_people(world).await;
        let mut names: Vec<&str> = natives.iter().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), natives.len(), "duplicates in the application");
        assert_eq!(names.len(), self.users, "people in the application");
    }
}

fn is_user(task: &Task) -> bool {
    matches!(task, Task::User(_))
}

fn title(generation: u64) -> String {
    format!("generation {generation}")
}

fn nick(user: usize) -> String {
    format!("nick {user}")
}

fn group_name(group: usize) -> String {
    format!("crew{group:03}")
}

/// The members of a group, as far as their ids are known: whoever is not deleted.
fn members(group: usize, ids: &BTreeMap<usize, String>) -> BTreeSet<String> {
    let crew = group * CREW..(group + 1) * CREW;
    let crew = crew.filter(|user| Sync::fate(*user) != Fate::Deleted);
    crew.filter_map(|user| ids.get(&user).cloned()).collect()
}

fn ids_of(members: &Value) -> BTreeSet<String> {
    let members = members.as_array().into_iter().flatten();
    members.filter_map(|member| member["value"].as_str().map(str::to_owned)).collect()
}

fn filter(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The one resource that a filter finds; the outer `None` when there was no answer.
async fn find(client: &Client, endpoint: &str, text: &str) -> Option<Option<Value>> {
    let target = format!("/scim/v2/{endpoint}?filter={}", filter(text));
    let mut answer = client.ask("GET", &target, None).await.and_then(good)?;
    let found = answer.body["Resources"].as_array_mut().map(std::mem::take).unwrap_or_default();
    assert!(found.len() < 2, "{text} finds {found:?}");
    Some(found.into_iter().next())
}

/// An answer that says something; `None` for one that says to try again.
fn good(answer: Answer) -> Option<Answer> {
    assert_ne!(answer.status, 401, "a token is lost: {answer:?}");
    assert!(answer.status < 500 || answer.status == 503, "{answer:?}");
    (answer.status != 503).then_some(answer)
}

async fn make_user(client: &Client, user: usize, generation: u64, was_deleted: bool) -> Done {
    try_user(client, user, generation, was_deleted).await.unwrap_or(Done::Cut)
}

async fn try_user(
    client: &Client,
    user: usize,
    generation: u64,
    was_deleted: bool,
) -> Option<Done> {
    let name = Sync::name(user);
    let fate = Sync::fate(user);
    let by_name = format!("userName eq \"{name}\"");
    let mut found = find(client, "Users", &by_name).await?;
    if found.is_none() && was_deleted {
        return Some(Done::Users(user, None, true));
    }
    if found.is_none() {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": name,
            "title": title(generation),
            "nickName": nick(user),
            "active": true,
        });
        let answer = client.ask("POST", "/scim/v2/Users", Some(&body)).await.and_then(good)?;
        found = match answer.status {
            201 => Some(answer.body),
            // It had been made, and the answer was cut off.
            409 => find(client, "Users", &by_name).await?,
            _ => panic!("creating: {answer:?}"),
        };
    }
    let found = found?;
    let id = found["id"].as_str().expect("an id").to_owned();
    let own = format!("/scim/v2/Users/{id}");
    if fate == Fate::Deleted {
        let answer = client.ask("DELETE", &own, None).await.and_then(good)?;
        assert!(matches!(answer.status, 204 | 404), "deleting: {answer:?}");
        return Some(Done::Users(user, Some(id), true));
    }
    let wanted = [
        ("title", json!(title(generation))),
        ("nickName", json!(nick(user))),
        ("active", json!(fate == Fate::Active)),
    ];
    let operations: Vec<Value> = wanted
        .into_iter()
        .filter(|(attribute, value)| found[attribute] != *value)
        .map(|(attribute, value)| json!({ "op": "replace", "path": attribute, "value": value }))
        .collect();
    if !operations.is_empty() {
        let answer = client.ask("PATCH", &own, Some(&patch(&operations))).await.and_then(good)?;
        assert_eq!(answer.status, 200, "changing: {answer:?}");
    }
    Some(Done::Users(user, Some(id), false))
}

async fn make_group(client: &Client, group: usize, members: BTreeSet<String>) -> Done {
    try_group(client, group, members).await.unwrap_or(Done::Cut)
}

async fn try_group(client: &Client, group: usize, members: BTreeSet<String>) -> Option<Done> {
    let name = group_name(group);
    let by_name = format!("displayName eq \"{name}\"");
    let mut found = find(client, "Groups", &by_name).await?;
    if found.is_none() {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": name,
        });
        let answer = client.ask("POST", "/scim/v2/Groups", Some(&body)).await.and_then(good)?;
        assert!(matches!(answer.status, 201 | 409), "creating: {answer:?}");
        found = find(client, "Groups", &by_name).await?;
    }
    let id = found?["id"].as_str().expect("an id").to_owned();
    let own = format!("/scim/v2/Groups/{id}");
    let whole = client.ask("GET", &own, None).await.and_then(good)?.body;
    let have = ids_of(&whole["members"]);
    let mut operations = Vec::new();
    let missing: Vec<Value> =
        members.difference(&have).map(|member| json!({ "value": member })).collect();
    if !missing.is_empty() {
        operations.push(json!({ "op": "add", "path": "members", "value": missing }));
    }
    for surplus in have.difference(&members) {
        let path = format!("members[value eq \"{surplus}\"]");
        operations.push(json!({ "op": "remove", "path": path }));
    }
    if !operations.is_empty() {
        let answer = client.ask("PATCH", &own, Some(&patch(&operations))).await.and_then(good)?;
        assert!(matches!(answer.status, 200 | 204), "filling: {answer:?}");
    }
    Some(Done::Group)
}

fn patch(operations: &[Value]) -> Value {
    let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
    json!({ "schemas": schemas, "Operations": operations })
}

/// Every resource, a page at a time.
async fn list(client: &Client, endpoint: &str) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let target = format!("/scim/v2/{endpoint}?startIndex={}&count=500", all.len() + 1);
        let answer = client.ask("GET", &target, None).await.expect("a list");
        assert_eq!(answer.status, 200, "{answer:?}");
        let page = answer.body["Resources"].as_array().cloned().unwrap_or_default();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// The logins of everybody in the application, asked directly.
async fn native_people(world: &World) -> Vec<String> {
    let mut logins = Vec::new();
    for page in 1.. {
        let target = format!("/api/people?per_page=100&page={page}");
        let people = native(world, &target).await;
        let people = people.as_array().expect("a list");
        if people.is_empty() {
            break;
        }
        logins.extend(people.iter().map(|it| it["login"].as_str().expect("a login").to_owned()));
    }
    logins
}

async fn native(world: &World, target: &str) -> Value {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(world.native).await.expect("the application");
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {}\r\nX-Api-Key: {}\r\nConnection: close\r\n\r\n",
        world.native,
        crate::application::KEY,
    );
    stream.write_all(request.as_bytes()).await.expect("it is sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("an answer");
    let (_, body) = text.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).expect("JSON")
}
