//! The real application, of which nothing but reading is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use crate::dialogue::script::ScriptedUpstream;
use crate::exchange::upstream::{Link, Upstream, UpstreamError};
use crate::mapping::model::{
    Activate, CollectionSource, Deactivate, Delete, FilterAction, Lookup, Mapping, Request,
    ResourceMapping,
};
use crate::native::message::{Method, NativeRequest, NativeResponse};

/// An `Upstream` that lets reads through. Writes are answered by a script as long as it goes on, and
/// then by nobody; they never reach the application.
pub struct ReadOnly {
    application: Arc<dyn Upstream>,
    writes: Arc<ScriptedUpstream>,
    reads: Reads,
    held_back: AtomicBool,
}

/// Which requests read although their method does not say so.
pub enum Reads {
    /// All: what is asked for in SCIM is a read.
    Everything,
    /// Those with POST to one of these paths.
    Posts(Vec<String>),
}

impl ReadOnly {
    /// Reads from `application` and answers writes with `writes`.
    pub fn new(
        application: Arc<dyn Upstream>,
        writes: Arc<ScriptedUpstream>,
        reads: Reads,
    ) -> Self {
        Self { application, writes, reads, held_back: AtomicBool::new(false) }
    }

    /// Whether a write was held back.
    pub fn has_held_back(&self) -> bool {
        self.held_back.load(Ordering::Relaxed)
    }

    fn is_read(&self, request: &NativeRequest) -> bool {
        let is_search = match &self.reads {
            Reads::Everything => true,
            Reads::Posts(paths) => request.method == Method::Post && paths.contains(&request.path),
        };
        request.method.is_safe() || is_search
    }
}

impl Reads {
    /// The searches of a mapping: fixed paths that are posted to for lists and look-ups, and that
    /// no other request of the mapping uses. Where everything goes through one path, a call's body
    /// alone says what it does, and it counts as a write.
    pub fn of(mapping: &Mapping) -> Self {
        let resources = &mapping.resources;
        let searches = resources.iter().flat_map(reading);
        let searches = searches.map(|request| (request.method, &request.path));
        let look_ups = resources.iter().flat_map(look_ups);
        let look_ups = look_ups.map(|look_up| (look_up.method, &look_up.path));
        let others: Vec<String> = resources.iter().flat_map(writing).map(path).collect();
        let fixed = searches
            .chain(look_ups)
            .filter(|(method, path)| *method == Method::Post && path.holes() == 0)
            .map(|(_, path)| path.literal_text());
        Self::Posts(fixed.filter(|path| !others.contains(path)).collect())
    }
}

fn path(request: &Request) -> String {
    request.path.literal_text()
}

fn look_ups(resource: &ResourceMapping) -> impl Iterator<Item = &Lookup> {
    let requests = reading(resource).chain(writing(resource));
    requests
        .flat_map(|request| request.with.iter().chain(&request.embed))
        .map(|(_, look_up)| look_up)
}

fn reading(resource: &ResourceMapping) -> impl Iterator<Item = &Request> {
    let look_ups = resource.filters.iter().filter_map(|rule| match &rule.action {
        FilterAction::LookUp(request) => Some(&**request),
        FilterAction::Query(_) | FilterAction::Body(_) | FilterAction::Term(_) => None,
    });
    let lists = resource.collections.iter().filter_map(|list| match &list.source {
        CollectionSource::List(request) => Some(&**request),
        CollectionSource::Items(_) => None,
    });
    resource.list.iter().chain(&resource.get).chain(look_ups).chain(lists)
}

fn writing(resource: &ResourceMapping) -> impl Iterator<Item = &Request> {
    let members = resource
        .collections
        .iter()
        .flat_map(|list| list.add.iter().chain(&list.change).chain(&list.remove).chain(&list.set));
    let delete: &[Request] = match &resource.delete {
        Delete::Requests(requests) => requests,
        Delete::NotAllowed | Delete::Deactivate => &[],
    };
    let activate: &[Request] = match &resource.activate {
        Activate::Requests(requests) => requests,
        Activate::ViaUpdate | Activate::Create => &[],
    };
    let deactivate: &[Request] = match &resource.deactivate {
        Deactivate::Requests(requests) => requests,
        Deactivate::ViaUpdate | Deactivate::Delete => &[],
    };
    let switches = delete.iter().chain(activate).chain(deactivate);
    resource.create.iter().chain(resource.changing()).chain(switches).chain(members)
}

#[async_trait]
impl Upstream for ReadOnly {
    async fn call(&self, request: NativeRequest) -> Result<NativeResponse, UpstreamError> {
        if self.is_read(&request) {
            return self.application.call(request).await;
        }
        if self.writes.is_over() {
            self.held_back.store(true, Ordering::Relaxed);
            return Err(UpstreamError::Unreachable(None));
        }
        self.writes.call(request).await
    }

    fn follow(&self, asked: &str, link: &str) -> Result<Link, UpstreamError> {
        self.application.follow(asked, link)
    }
}
