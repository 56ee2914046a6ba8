//! The listener itself.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{CommandAnswer, CommandRequest, MAX_BODY_BYTES, ServersView};

/// A future that can be stored.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What the listener needs of the service.
pub trait Backend: Send + Sync + 'static {
    /// Whether calls are being authorised now; the text says why not.
    fn health(&self) -> Result<(), String>;
    /// Prometheus' text.
    fn metrics(&self) -> String;
    /// How the link to each Asterisk server is, in the configuration's order.
    fn servers(&self) -> ServersView;
    /// Whether this token may command.
    fn token_is_right(&self, token: &str) -> bool;
    /// Runs a command of the command line.
    fn command(self: Arc<Self>, request: CommandRequest) -> BoxFuture<CommandAnswer>;
    /// Takes in what the change feed holds now.
    fn catch_up(self: Arc<Self>) -> BoxFuture<Result<(), String>>;
}

/// Serves until `shutdown`: its own routes, and others that guard themselves.
pub async fn serve<B: Backend>(
    listener: TcpListener,
    backend: Arc<B>,
    others: Router,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let guarded = Router::new()
        .route("/metrics", get(metrics::<B>))
        .route("/v1/servers", get(servers::<B>))
        .route("/v1/command", post(command::<B>))
        .route("/v1/catch-up", post(catch_up::<B>))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(Arc::clone(&backend), require_token::<B>));
    let router =
        Router::new().route("/health", get(health::<B>)).merge(guarded).with_state(backend).merge(others);
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

async fn require_token<B: Backend>(State(backend): State<Arc<B>>, request: Request, next: Next) -> Response {
    let shown = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    match shown {
        Some(token) if backend.token_is_right(token) => next.run(request).await,
        _ => (StatusCode::UNAUTHORIZED, "the internal token is missing or wrong\n").into_response(),
    }
}

async fn health<B: Backend>(State(backend): State<Arc<B>>) -> Response {
    match backend.health() {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn metrics<B: Backend>(State(backend): State<Arc<B>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], backend.metrics()).into_response()
}

async fn servers<B: Backend>(State(backend): State<Arc<B>>) -> Json<ServersView> {
    Json(backend.servers())
}

async fn command<B: Backend>(
    State(backend): State<Arc<B>>,
    Json(request): Json<CommandRequest>,
) -> Json<CommandAnswer> {
    Json(backend.command(request).await)
}

async fn catch_up<B: Backend>(State(backend): State<Arc<B>>) -> Response {
    match backend.catch_up().await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}
