//! The command line's side of the internal listener.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{CommandAnswer, CommandRequest, MAX_BODY_BYTES, ServersView};

/// How long connecting may take: the listener is on this machine or next to it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a command may take, once the server has shown that it is alive.
const COMMAND_TIMEOUT: Duration = Duration::from_mins(2);
/// How long a server that is alive takes for anything else.
const ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the owner did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there: the process is gone.
    #[error("nothing listens on {0}")]
    Gone(SocketAddr),
    /// Somebody listens but does not answer as the owner would.
    #[error("the running server at {address} does not answer: {reason}")]
    Silent {
        /// Where it was asked.
        address: SocketAddr,
        /// What went wrong.
        reason: String,
    },
    /// The token is not the server's.
    #[error(
        "the running server refuses internal.token: use the configuration and key file it was started with"
    )]
    Refused,
}

/// Asks the owner to run a command.
pub async fn command(
    address: SocketAddr,
    token: &str,
    request: &CommandRequest,
) -> Result<CommandAnswer, ClientError> {
    let silent = |reason: String| ClientError::Silent { address, reason };
    let body = serde_json::to_vec(request).map_err(|e| silent(e.to_string()))?;
    // A hung process is told from a busy one before anything is asked of it.
    exchange(address, token, Method::GET, "/health", Vec::new(), ALIVE_TIMEOUT).await?;
    let (status, bytes) =
        exchange(address, token, Method::POST, "/v1/command", body, COMMAND_TIMEOUT).await?;
    match status {
        StatusCode::OK => serde_json::from_slice(&bytes).map_err(|e| silent(e.to_string())),
        StatusCode::UNAUTHORIZED => Err(ClientError::Refused),
        other => Err(silent(format!("HTTP {other}"))),
    }
}

/// Asks the owner to take in what the change feed holds now; answers when it has.
pub async fn catch_up(address: SocketAddr, token: &str) -> Result<(), ClientError> {
    let answered = exchange(address, token, Method::POST, "/v1/catch-up", Vec::new(), ALIVE_TIMEOUT).await?;
    match answered.0 {
        StatusCode::OK => Ok(()),
        StatusCode::UNAUTHORIZED => Err(ClientError::Refused),
        other => Err(ClientError::Silent { address, reason: format!("HTTP {other}") }),
    }
}

/// Asks the owner how it and the Asterisk servers see each other.
pub async fn servers(address: SocketAddr, token: &str) -> Result<ServersView, ClientError> {
    let silent = |reason: String| ClientError::Silent { address, reason };
    let (status, bytes) =
        exchange(address, token, Method::GET, "/v1/servers", Vec::new(), ALIVE_TIMEOUT).await?;
    match status {
        StatusCode::OK => serde_json::from_slice(&bytes).map_err(|e| silent(e.to_string())),
        StatusCode::UNAUTHORIZED => Err(ClientError::Refused),
        other => Err(silent(format!("HTTP {other}"))),
    }
}

async fn exchange(
    address: SocketAddr,
    token: &str,
    method: Method,
    path: &str,
    body: Vec<u8>,
    patience: Duration,
) -> Result<(StatusCode, Bytes), ClientError> {
    let silent = |reason: String| ClientError::Silent { address, reason };
    let stream = match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            return Err(ClientError::Gone(address));
        }
        Ok(Err(error)) => return Err(silent(error.to_string())),
        Err(_) => return Err(silent("connecting took too long".to_owned())),
    };
    let answer = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| silent(e.to_string()))?;
        let driver = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, address.to_string())
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| silent(e.to_string()))?;
        let response = sender.send_request(request).await.map_err(|e| silent(e.to_string()))?;
        let status = response.status();
        let bytes = Limited::new(response.into_body(), MAX_BODY_BYTES)
            .collect()
            .await
            .map_err(|e| silent(e.to_string()))?
            .to_bytes();
        driver.abort();
        Ok((status, bytes))
    };
    timeout(patience, answer)
        .await
        .unwrap_or_else(|_| Err(silent(format!("no answer within {} s", patience.as_secs()))))
}
