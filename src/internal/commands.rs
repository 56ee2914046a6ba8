//! The command socket's server: every operation that changes state or shows secrets, for root and the server's own user
//! only.
//!
//! The kernel reports the user of the peer process. No secret crosses the socket: being that user is the proof.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::net::{UnixListener, UnixStream, unix};
use tokio_util::sync::CancellationToken;

use super::server::{Backend, health};
use crate::control::INSTANCE;
use crate::control::folder::{Listening, Trusted};
use crate::control::{CommandAnswer, CommandRequest, MAX_BODY_BYTES, ServersView};

/// Pause in accepting connections while the process has no file descriptor left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);
/// The answer to a process of another user.
const STRANGER: &[u8] = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Serves commands until `shutdown`.
pub async fn serve<B: Backend>(
    socket: Listening,
    backend: Arc<B>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    socket.listener.set_nonblocking(true)?;
    let listener =
        OwnProcesses { listener: UnixListener::from_std(socket.listener)?, trusted: Trusted::own() };
    let instance: Arc<str> = socket.instance.into();
    let router = Router::new()
        .route("/health", get(health::<B>))
        .route("/v1/servers", get(servers::<B>))
        .route("/v1/command", post(command::<B>))
        .route("/v1/catch-up", post(catch_up::<B>))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(instance, require_instance))
        .with_state(backend);
    axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

/// Accepts connections of trusted users' processes and closes all others.
struct OwnProcesses {
    listener: UnixListener,
    trusted: Trusted,
}

impl axum::serve::Listener for OwnProcesses {
    type Io = UnixStream;
    type Addr = unix::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => match stream.peer_cred() {
                    Ok(peer) if self.trusted.includes(peer.uid()) => return (stream, address),
                    Ok(peer) => {
                        tracing::warn!(
                            peer.uid = peer.uid(),
                            peer.pid = peer.pid(),
                            "connection to the command socket refused: another user's process"
                        );
                        // Best effort: a new socket accepts these bytes at once.
                        let _ = stream.try_write(STRANGER);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "connection to the command socket refused: no credentials");
                    }
                },
                Err(error) => {
                    tracing::warn!(%error, "the command socket could not accept");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// Refuses a request meant for another server: in another container the same path may belong to another server.
async fn require_instance(State(instance): State<Arc<str>>, request: Request, next: Next) -> Response {
    if request.headers().get(INSTANCE).is_some_and(|meant| meant.as_bytes() == instance.as_bytes()) {
        next.run(request).await
    } else {
        (StatusCode::MISDIRECTED_REQUEST, "this server is not the one the request is meant for\n")
            .into_response()
    }
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
