//! `/status`: what the bridge is doing, for people who run it.
//!
//! It can only be asked. Nothing on this port changes anything, because nobody signs in here.

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;

/// What there is to tell.
#[async_trait]
pub trait Status: Send + Sync + 'static {
    /// One JSON object without secrets.
    async fn report(&self) -> Value;
}

/// The path, ready to be merged into the operators' port.
pub fn routes(status: Arc<dyn Status>) -> Router {
    Router::new().route("/status", get(report)).with_state(status)
}

async fn report(State(status): State<Arc<dyn Status>>) -> Json<Value> {
    Json(status.report().await)
}
