//! The internal listener: health, metrics and Asterisk's reads of peers, over TCP. It changes nothing.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::control::{CommandAnswer, CommandRequest, ServersView};
use crate::listen::{Caps, Listener, Patience, Settings};
use crate::metrics::CONTENT_TYPE;

/// A future that can be stored.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The operations that the listener needs from the service.
pub trait Backend: Send + Sync + 'static {
    /// Reports whether calls are being authorized; the error text gives the reason why not.
    fn health(&self) -> Result<(), String>;
    /// Returns the metrics as `OpenMetrics` text.
    fn metrics(&self) -> String;
    /// Returns the state of the link to each Asterisk server, in the order of the configuration.
    fn servers(&self) -> ServersView;
    /// Reports whether this token may read the metrics.
    fn metrics_token_is_right(&self, token: &str) -> bool;
    /// Runs a command of the command line.
    fn command(self: Arc<Self>, request: CommandRequest) -> BoxFuture<CommandAnswer>;
    /// Applies the current contents of the change feed.
    fn catch_up(self: Arc<Self>) -> BoxFuture<Result<(), String>>;
}

/// Returns the connection settings of the internal listener: connections are accepted from Asterisk servers that may
/// read peers, from `internal.allow` and from this machine; others are closed unread.
pub fn settings(config: &Config, caps: Caps) -> Settings {
    let allow = config.internal.allow.iter().chain(&config.realtime.allow).copied().collect();
    Settings {
        name: "internal",
        caps,
        allow: Some(allow),
        proxies: Vec::new(),
        patience: Patience::default(),
    }
}

/// Serves its own routes, and others with their own access checks, until `shutdown`.
pub async fn serve<B: Backend>(
    listener: Listener,
    backend: Arc<B>,
    others: Router,
    shutdown: CancellationToken,
) {
    let guarded = Router::new()
        .route("/metrics", get(metrics::<B>))
        .layer(middleware::from_fn_with_state(Arc::clone(&backend), require_token::<B>));
    let router = Router::new()
        .route("/health", get(health::<B>))
        .merge(guarded)
        .with_state(backend)
        .route("/v1/{*command}", any(moved))
        .merge(others);
    listener.serve(None, router, shutdown).await;
}

async fn require_token<B: Backend>(State(backend): State<Arc<B>>, request: Request, next: Next) -> Response {
    let shown = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    match shown {
        Some(token) if backend.metrics_token_is_right(token) => next.run(request).await,
        _ => (
            StatusCode::UNAUTHORIZED,
            "the metrics token is missing or wrong: tollgate secrets metrics shows it\n",
        )
            .into_response(),
    }
}

pub(super) async fn health<B: Backend>(State(backend): State<Arc<B>>) -> Response {
    match backend.health() {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn metrics<B: Backend>(State(backend): State<Arc<B>>) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], backend.metrics()).into_response()
}

/// Formerly the address of commands, and of a token that could credit accounts with them.
async fn moved() -> Response {
    (StatusCode::GONE, "commands go over the Unix socket internal.socket: run tollgate on this machine\n")
        .into_response()
}
