//! The command line's side of the command socket.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::control::INSTANCE;
use crate::control::address::CommandAddress;
use crate::control::folder::{Sign, SocketError, Trusted, look};
use crate::control::{CommandAnswer, CommandRequest, MAX_BODY_BYTES, ServersView};

/// How long connecting may take: the socket is on this machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The wait between two tries to connect.
const CONNECT_AGAIN: Duration = Duration::from_millis(50);
/// How long a command may take, once the server has shown that it is alive.
const COMMAND_TIMEOUT: Duration = Duration::from_mins(2);
/// How long a server that is alive takes for anything else.
const ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the owner did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Its process has ended.
    #[error("the server at {0} has ended")]
    Gone(PathBuf),
    /// It cannot be seen from here.
    #[error("the running server's socket {0} is not on this machine, or was removed")]
    NotHere(PathBuf),
    /// Its process lives but does not answer as the owner would.
    #[error("the running server at {path} does not answer: {reason}")]
    Silent {
        /// Where it was asked.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// The folder of its socket cannot be trusted.
    #[error(transparent)]
    Untrusted(#[from] SocketError),
    /// A process of another user listens there.
    #[error(
        "{path} is served by a process of user {uid}, who is neither root nor the owner of the key file: nothing was sent \
         to it"
    )]
    Impostor {
        /// Where it listens.
        path: PathBuf,
        /// Its user.
        uid: u32,
    },
}

/// The running server, as far as it is known from the owner row.
#[derive(Clone, Debug)]
pub struct Owner {
    /// Where it is.
    pub address: CommandAddress,
    /// Whose process it must be.
    pub trusted: Trusted,
}

impl Owner {
    /// Has a command run.
    pub async fn command(&self, request: &CommandRequest) -> Result<CommandAnswer, ClientError> {
        let body = serde_json::to_vec(request).map_err(|e| self.silent(e.to_string()))?;
        // A hung process is told from a busy one before anything is asked of it.
        self.exchange(Method::GET, "/health", Vec::new(), ALIVE_TIMEOUT).await?;
        let (status, bytes) = self.exchange(Method::POST, "/v1/command", body, COMMAND_TIMEOUT).await?;
        self.expect_ok(status)?;
        serde_json::from_slice(&bytes).map_err(|e| self.silent(e.to_string()))
    }

    /// Has it take in what the change feed holds now; answers when it has.
    pub async fn catch_up(&self) -> Result<(), ClientError> {
        let (status, _) = self.exchange(Method::POST, "/v1/catch-up", Vec::new(), ALIVE_TIMEOUT).await?;
        self.expect_ok(status)
    }

    /// Asks how it and the Asterisk servers see each other.
    pub async fn servers(&self) -> Result<ServersView, ClientError> {
        let (status, bytes) = self.exchange(Method::GET, "/v1/servers", Vec::new(), ALIVE_TIMEOUT).await?;
        self.expect_ok(status)?;
        serde_json::from_slice(&bytes).map_err(|e| self.silent(e.to_string()))
    }

    fn expect_ok(&self, status: StatusCode) -> Result<(), ClientError> {
        match status {
            StatusCode::OK => Ok(()),
            StatusCode::MISDIRECTED_REQUEST => Err(ClientError::NotHere(self.address.path.clone())),
            other => Err(self.silent(format!("HTTP {other}"))),
        }
    }

    fn silent(&self, reason: String) -> ClientError {
        ClientError::Silent { path: self.address.path.clone(), reason }
    }

    /// Connects, and proves who is at the other end before anything is sent.
    async fn connect(&self) -> Result<UnixStream, ClientError> {
        let path = &self.address.path;
        let connecting = async {
            loop {
                match look(&self.address, self.trusted)? {
                    Sign::Lives => {}
                    Sign::Dead => return Err(ClientError::Gone(path.clone())),
                    Sign::NotHere => return Err(ClientError::NotHere(path.clone())),
                }
                match UnixStream::connect(path).await {
                    Ok(stream) => return Ok(stream),
                    // It listens before it is recorded, and lives a little longer than it listens.
                    Err(error)
                        if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) =>
                    {
                        tokio::time::sleep(CONNECT_AGAIN).await;
                    }
                    Err(error) => return Err(self.silent(error.to_string())),
                }
            }
        };
        let stream = timeout(CONNECT_TIMEOUT, connecting)
            .await
            .unwrap_or_else(|_| Err(self.silent("it does not listen: is it stopping?".to_owned())))?;
        let peer = stream.peer_cred().map_err(|e| self.silent(e.to_string()))?;
        if !self.trusted.includes(peer.uid()) {
            return Err(ClientError::Impostor { path: path.clone(), uid: peer.uid() });
        }
        Ok(stream)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        patience: Duration,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let stream = self.connect().await?;
        let answer = async {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
                .await
                .map_err(|e| self.silent(e.to_string()))?;
            let driver = tokio::spawn(connection);
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header(HOST, "tollgate")
                .header(INSTANCE, &self.address.instance)
                .header(CONTENT_TYPE, "application/json")
                .body(Full::new(Bytes::from(body)))
                .map_err(|e| self.silent(e.to_string()))?;
            let response = sender.send_request(request).await.map_err(|e| self.silent(e.to_string()))?;
            let status = response.status();
            let bytes = Limited::new(response.into_body(), MAX_BODY_BYTES)
                .collect()
                .await
                .map_err(|e| self.silent(e.to_string()))?
                .to_bytes();
            driver.abort();
            Ok((status, bytes))
        };
        timeout(patience, answer)
            .await
            .unwrap_or_else(|_| Err(self.silent(format!("no answer within {} s", patience.as_secs()))))
    }
}
