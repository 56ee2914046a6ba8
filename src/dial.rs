//! Connections to other machines: TCP, optionally with TLS, and the delays between attempts.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::secrets::random_below;

/// Interval of TCP keepalives: it prevents a network from forgetting an idle connection; the users of connections
/// detect a dead one long before.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Time limit for TCP acknowledgements, which detects a one-way connection: sent data must be acknowledged by the other
/// machine's kernel, however busy the program on it is.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(10);

/// A connection of either kind.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl fmt::Debug for dyn Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

/// TLS settings.
#[derive(Debug, Clone)]
pub struct Tls {
    /// PEM file of the only trusted authorities; the system's authorities if `None`.
    pub authorities: Option<PathBuf>,
    /// Name that the server's certificate must contain.
    pub name: String,
}

/// Reason why a connection failed.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// No listener, an unknown name, or an unavailable network.
    #[error("{0} cannot be reached: {1}")]
    Unreachable(String, io::Error),
    /// No connection within the time limit.
    #[error("{0} does not answer")]
    Silent(String),
    /// The authorities' certificates cannot be used.
    #[error("tls_ca {0} cannot be used: {1}")]
    Authorities(String, String),
    /// The configured server name is invalid.
    #[error("tls_name {0:?} is no name of a server")]
    Name(String),
    /// TLS was refused by either side.
    #[error("TLS with {0} failed: {1}")]
    Tls(String, io::Error),
}

impl DialError {
    /// Reports whether an early retry is useless.
    pub const fn is_lasting(&self) -> bool {
        matches!(self, Self::Authorities(..) | Self::Name(_) | Self::Tls(..))
    }
}

/// Connects within a time limit.
pub async fn dial(
    host: &str,
    port: u16,
    tls: Option<&Tls>,
    within: Duration,
) -> Result<Box<dyn Stream>, DialError> {
    let address = format!("{host}:{port}");
    let connecting = async {
        let unreachable = |error| DialError::Unreachable(address.clone(), error);
        let tcp = TcpStream::connect((host, port)).await.map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
        let socket = SockRef::from(&tcp);
        socket.set_tcp_keepalive(&keepalive).map_err(unreachable)?;
        socket.set_tcp_user_timeout(Some(ACKNOWLEDGED_WITHIN)).map_err(unreachable)?;
        // A connection whose two ports are the same would be a connection to itself.
        let ends: (io::Result<SocketAddr>, io::Result<SocketAddr>) = (tcp.local_addr(), tcp.peer_addr());
        if let (Ok(own), Ok(theirs)) = ends
            && own == theirs
        {
            return Err(unreachable(io::ErrorKind::ConnectionRefused.into()));
        }
        let Some(tls) = tls else { return Ok(Box::new(tcp) as Box<dyn Stream>) };
        let name = ServerName::try_from(tls.name.clone()).map_err(|_| DialError::Name(tls.name.clone()))?;
        let connector = TlsConnector::from(Arc::new(client_config(tls.authorities.as_deref())?));
        let stream = connector.connect(name, tcp).await;
        Ok(Box::new(stream.map_err(|error| DialError::Tls(address.clone(), error))?) as Box<dyn Stream>)
    };
    let timed = tokio::time::timeout(within, connecting).await;
    timed.unwrap_or_else(|_| Err(DialError::Silent(address)))
}

fn client_config(authorities: Option<&Path>) -> Result<ClientConfig, DialError> {
    let mut roots = RootCertStore::empty();
    let unusable =
        |shown: &str, error: &dyn ToString| DialError::Authorities(shown.to_owned(), error.to_string());
    if let Some(file) = authorities {
        let shown = file.display().to_string();
        let read = CertificateDer::pem_file_iter(file).map_err(|error| unusable(&shown, &error))?;
        for certificate in read {
            let certificate = certificate.map_err(|error| unusable(&shown, &error))?;
            roots.add(certificate).map_err(|error| unusable(&shown, &error))?;
        }
        if roots.is_empty() {
            return Err(unusable(&shown, &"it holds no certificate"));
        }
    } else {
        // Unreadable certificates are skipped: another one may be the one needed.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(unusable("(not set)", &"the system has no certificates; name a file"));
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable("(any)", &error))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Delays between attempts to reconnect.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    refused: Duration,
    next: Duration,
}

impl Backoff {
    /// Delays start at `first`, double after each failure up to `longest`, and are `refused` after a refusal that lasts
    /// until an operator changes something.
    pub const fn new(first: Duration, longest: Duration, refused: Duration) -> Self {
        Self { first, longest, refused, next: first }
    }

    /// Returns the delay after a failure that may pass by itself.
    pub fn after_failure(&mut self) -> Duration {
        let wait = jittered(self.next);
        self.next = (self.next * 2).min(self.longest);
        wait
    }

    /// Returns the delay after a lasting refusal; the delay after the next failure is the first one again.
    pub fn after_refusal(&mut self) -> Duration {
        self.next = self.first;
        jittered(self.refused)
    }

    /// Resets the delay to the first one, after a stable connection.
    pub const fn reset(&mut self) {
        self.next = self.first;
    }
}

/// Returns a random time between half of `time` and all of it, so that many clients of the same machine do not
/// reconnect at once.
fn jittered(time: Duration) -> Duration {
    let half_ms = u64::try_from(time.as_millis() / 2).unwrap_or(u64::MAX);
    Duration::from_millis(half_ms + random_below(half_ms + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_the_longest_and_is_never_less_than_half_of_it() {
        let [first, longest, refused] = [250, 5_000, 30_000].map(Duration::from_millis);
        let mut backoff = Backoff::new(first, longest, refused);
        for wanted_ms in [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000] {
            let wait = backoff.after_failure();
            let wanted = Duration::from_millis(wanted_ms);
            assert!(wait >= wanted / 2 && wait <= wanted, "{wait:?}, not up to {wanted:?}");
        }
        assert!(backoff.after_refusal() >= refused / 2);
        assert!(backoff.after_failure() <= first);
        backoff.reset();
        assert!(backoff.after_failure() <= first);
    }
}
