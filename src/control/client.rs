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

/// Time limit for connecting: the socket is on this machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Wait between two attempts to connect.
const CONNECT_AGAIN: Duration = Duration::from_millis(50);
/// Time limit of a command, once the server has answered the health check.
const COMMAND_TIMEOUT: Duration = Duration::from_mins(2);
/// Time limit of any other request to a live server.
const ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Reason why the owner did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server's process has ended.
    #[error("the server at {0} has ended")]
    Gone(PathBuf),
    /// The socket is not visible from here.
    #[error("the running server's socket {0} is not on this machine, or was removed")]
    NotHere(PathBuf),
    /// The server's process lives but does not answer as an owner must.
    #[error("the running server at {path} does not answer: {reason}")]
    Silent {
        /// Path of its socket.
        path: PathBuf,
        /// Description of the failure.
        reason: String,
    },
    /// The folder of the socket cannot be trusted.
    #[error(transparent)]
    Untrusted(#[from] SocketError),
    /// A process of another user listens on the socket.
    #[error(
        "{path} is served by a process of user {uid}, who is neither root nor the owner of the key file: nothing was sent \
         to it"
    )]
    Impostor {
        /// Path of the socket.
        path: PathBuf,
        /// User id of that process.
        uid: u32,
    },
}

/// The running server, as recorded in the owner row.
#[derive(Clone, Debug)]
pub struct Owner {
    /// Address of its command socket.
    pub address: CommandAddress,
    /// Users whose process it must be.
    pub trusted: Trusted,
}

impl Owner {
    /// Runs a command on the server.
    pub async fn command(&self, request: &CommandRequest) -> Result<CommandAnswer, ClientError> {
        let body = serde_json::to_vec(request).map_err(|e| self.silent(e.to_string()))?;
        // A health check first, to distinguish a hung process from a busy one.
        self.exchange(Method::GET, "/health", Vec::new(), ALIVE_TIMEOUT).await?;
        let (status, bytes) = self.exchange(Method::POST, "/v1/command", body, COMMAND_TIMEOUT).await?;
        self.expect_ok(status)?;
        serde_json::from_slice(&bytes).map_err(|e| self.silent(e.to_string()))
    }

    /// Makes the server apply the current contents of the change feed; returns when it has.
    pub async fn catch_up(&self) -> Result<(), ClientError> {
        let (status, _) = self.exchange(Method::POST, "/v1/catch-up", Vec::new(), ALIVE_TIMEOUT).await?;
        self.expect_ok(status)
    }

    /// Asks for the connection state between the owner and the Asterisk servers.
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

    /// Connects and verifies the peer process before anything is sent.
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
                    // The server listens before it is recorded, and lives a little longer than it listens.
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
