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

/// How often all of it is gone through; each pass wants something else than the one before.
const PASSES: usize = 2;

/// The pass whose result stays.
const LAST: usize = PASSES - 1;

/// The parts of a synchronisation, in their order.
pub(crate) const PHASES: [&str; 2 * PASSES] =
    ["creating users", "filling groups", "changing users", "changing groups"];

/// What is to become of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Active,
    Inactive,
    Deleted,
}

/// Something to be made true, in the order in which that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Task {
    pass: usize,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    User(usize),
    Group(usize),
}

impl Task {
    /// Its place in [`PHASES`].
    fn phase(self) -> usize {
        2 * self.pass + usize::from(matches!(self.what, What::Group(_)))
    }

    /// How much of the synchronisation it is: a member is half as much work as a user.
    fn weight(self) -> u64 {
        match self.what {
            What::User(_) => 1,
            What::Group(_) => CREW as u64 / 2,
        }
    }
}

/// When the bridge is killed.
pub(crate) struct Moment {
    /// When so much is done, counted in weights,
    pub(crate) done: u64,
    /// and so long after that.
    pub(crate) later: Duration,
}

/// What a kill met.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Met {
    /// Its place in [`PHASES`].
    pub(crate) phase: usize,
    /// Writing requests without an answer.
    pub(crate) writes: u64,
}

/// What the identity provider knows and wants.
pub(crate) struct Sync {
    users: usize,
    /// What is left to do; the last comes first.
    open: Vec<Task>,
    /// What has been done, in weights.
    done: u64,
    /// The ids that it was told, by user.
    pub(crate) ids: BTreeMap<usize, String>,
    /// The ids of users whose deletion was confirmed.
    pub(crate) gone: BTreeMap<usize, String>,
    /// Users about whom a request may or may not have done something.
    pub(crate) unsettled: BTreeSet<usize>,
    /// Requests whose answers never came.
    pub(crate) cut: u64,
}

/// What came of a task.
enum Done {
    User {
        id: Option<String>,
        is_gone: bool,
    },
    Group,
    /// No answer, or one that says to try again.
    Cut,
}

impl Sync {
    pub(crate) fn new(users: usize) -> Self {
        Self {
            users,
            open: (0..PASSES).flat_map(|pass| tasks(users, pass)).rev().collect(),
            done: 0,
            ids: BTreeMap::new(),
            gone: BTreeMap::new(),
            unsettled: BTreeSet::new(),
            cut: 0,
        }
    }

    /// What there is to do from the beginning to the end, in weights.
    pub(crate) fn whole(&self) -> u64 {
        let all = (0..PASSES).flat_map(|pass| tasks(self.users, pass));
        all.map(Task::weight).sum()
    }

    /// The last pass is gone through once more.
    pub(crate) fn again(&mut self) {
        self.open = tasks(self.users, LAST).rev().collect();
    }

    pub(crate) fn name(user: usize) -> String {
        format!("user{user:04}")
    }

    /// Goes on where it was until the moment has come, then calls `kill` and lets everything fall
    /// that is under way.
    pub(crate) async fn run_until(
        &mut self,
        client: &Client,
        moment: &Moment,
        kill: impl FnOnce(),
    ) -> Met {
        let mut kill = Some(kill);
        let mut once = || {
            if let Some(kill) = kill.take() {
                kill();
            }
        };
        loop {
            if let Some(met) = self.run(client, Some(moment), &mut once).await {
                return met;
            }
            assert!(!self.open.is_empty(), "all is done before the bridge is killed");
        }
    }

    /// Goes on until everything is done.
    pub(crate) async fn finish(&mut self, client: &Client) {
        for _ in 0..50 {
            self.run(client, None, || ()).await;
            if self.open.is_empty() {
                self.unsettled.clear();
                return;
            }
        }
        panic!("the synchronisation comes to no end: {:?}", self.open);
    }

    /// Goes on until the moment has come, or until nothing is left that can be done now.
    async fn run(
        &mut self,
        client: &Client,
        moment: Option<&Moment>,
        kill: impl FnOnce(),
    ) -> Option<Met> {
        let mut under_way = FuturesUnordered::new();
        let mut running = BTreeSet::<Task>::new();
        let mut failed = Vec::<Task>::new();
        let mut until = None;
        let mut met = None;
        loop {
            if let Some(moment) = moment.filter(|moment| self.done >= moment.done) {
                until = until.or_else(|| Some(Instant::now() + moment.later));
            }
            while under_way.len() < WIDTH {
                let Some(task) = self.open.pop() else { break };
                // A phase begins when the one before is over: groups want their users' ids.
                let before = running.first().or_else(|| failed.first());
                if before.is_some_and(|before| before.phase() != task.phase()) {
                    self.open.push(task);
                    break;
                }
                running.insert(task);
                under_way.push(self.start(client, task));
            }
            let next = match until {
                Some(until) => tokio::time::timeout_at(until, under_way.next()).await,
                None => Ok(under_way.next().await),
            };
            let Ok(Some((task, done))) = next else {
                // The moment has come, or nothing is left to do until then.
                if until.is_some() {
                    let phase =
                        running.first().or_else(|| self.open.last()).map(|task| task.phase());
                    let phase = phase.unwrap_or(PHASES.len() - 1);
                    met = Some(Met { phase, writes: client.writes_under_way() });
                    kill();
                }
                break;
            };
            running.remove(&task);
            self.note(task, done, &mut failed);
        }
        // What was under way when the bridge was killed is not known to have happened.
        drop(under_way);
        self.cut += running.len() as u64;
        for task in running.into_iter().chain(failed) {
            if let What::User(user) = task.what {
                self.unsettled.insert(user);
            }
            self.open.push(task);
        }
        self.open.sort_by(|one, other| other.cmp(one));
        met
    }

    /// The task's requests, one after the other.
    fn start<'a>(
        &self,
        client: &'a Client,
        task: Task,
    ) -> impl Future<Output = (Task, Done)> + use<'a> {
        let wanted = match task.what {
            What::Group(group) => members(group, task.pass, &self.ids),
            What::User(_) => BTreeSet::new(),
        };
        let is_gone = matches!(task.what, What::User(user) if self.gone.contains_key(&user));
        async move {
            let done = match task.what {
                What::User(user) => try_user(client, user, task.pass, is_gone).await,
                What::Group(group) => try_group(client, group, wanted).await,
            };
            (task, done.unwrap_or(Done::Cut))
        }
    }

    fn note(&mut self, task: Task, done: Done, failed: &mut Vec<Task>) {
        if let Done::Cut = done {
            self.cut += 1;
            failed.push(task);
            return;
        }
        self.done += task.weight();
        let What::User(user) = task.what else { return };
        self.unsettled.remove(&user);
        if let Done::User { id: Some(id), is_gone } = done {
            let (to, from) = if is_gone {
                (&mut self.gone, &mut self.ids)
            } else {
                (&mut self.ids, &mut self.gone)
            };
            from.remove(&user);
            to.insert(user, id);
        }
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
                assert_eq!(fate(user, LAST), Fate::Deleted, "user {user} is missing");
                continue;
            };
            assert_ne!(fate(user, LAST), Fate::Deleted, "user {user} is still there");
            assert_eq!(there["active"], json!(fate(user, LAST) == Fate::Active), "{there}");
            assert_eq!(there["title"], json!(title(LAST)), "{there}");
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
            assert_eq!(have, members(number, LAST, &self.ids), "{name}");
        }
        let natives = native_people(world).await;
        let mut names: Vec<&str> = natives.iter().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), natives.len(), "duplicates in the application");
        assert_eq!(names.len(), self.users, "people in the application");
    }
}

/// What is to be done in a pass: users, then groups.
fn tasks(users: usize, pass: usize) -> impl DoubleEndedIterator<Item = Task> {
    let groups = (0..users / CREW).map(What::Group);
    (0..users).map(What::User).chain(groups).map(move |what| Task { pass, what })
}

/// In both passes some are deleted; some are switched off in one of them only.
fn fate(user: usize, pass: usize) -> Fate {
    match (user % 10, pass) {
        (9, _) | (8, LAST) => Fate::Deleted,
        (7, 0) | (6, LAST) => Fate::Inactive,
        _ => Fate::Active,
    }
}

fn title(pass: usize) -> String {
    format!("title {pass}")
}

pub(crate) fn nick(user: usize) -> String {
    format!("nick {user}")
}

fn group_name(group: usize) -> String {
    format!("crew{group:03}")
}

/// The members of a group, as far as their ids are known: whoever is not deleted, except some who
/// are others in each pass.
fn members(group: usize, pass: usize, ids: &BTreeMap<usize, String>) -> BTreeSet<String> {
    let crew = group * CREW..(group + 1) * CREW;
    let crew = crew.filter(|user| fate(*user, pass) != Fate::Deleted && user % 5 != pass);
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

async fn try_user(client: &Client, user: usize, pass: usize, was_deleted: bool) -> Option<Done> {
    let (name, fate) = (Sync::name(user), fate(user, pass));
    let by_name = format!("userName eq \"{name}\"");
    let mut found = find(client, "Users", &by_name).await?;
    if found.is_none() && was_deleted {
        return Some(Done::User { id: None, is_gone: true });
    }
    if found.is_none() {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": name,
            "title": title(pass),
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
        return Some(Done::User { id: Some(id), is_gone: true });
    }
    let wanted = [
        ("title", json!(title(pass))),
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
    Some(Done::User { id: Some(id), is_gone: false })
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
pub(crate) async fn list(client: &Client, endpoint: &str) -> Vec<Value> {
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
