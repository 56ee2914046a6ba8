//! The connection's bytes: TCP or TLS, read into blocks, written from actions.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use tokio_util::codec::{Decoder as _, Encoder as _};

use super::Action;
use super::codec::{Codec, CodecError, Frame};
use super::settings::{Settings, Tls};
use crate::clock::Clock;

/// What one read takes at most.
const READ_BYTES: usize = 64 * 1_024;
/// A network that forgets idle connections sees one at work; the pings notice a dead one long before.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// A line that carries one way only is noticed too: what we sent must be acknowledged within this time, by the server's
/// kernel, however busy the server itself is.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(10);

/// Either kind of connection.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("{0} cannot be reached: {1}")]
    Unreachable(String, io::Error),
    #[error("{0} does not answer")]
    Silent(String),
    #[error("tls_ca {0} cannot be used: {1}")]
    Authorities(String, String),
    #[error("tls_name {0:?} is no name of a server")]
    Name(String),
    #[error("TLS with {0} failed: {1}")]
    Tls(String, io::Error),
}

impl ConnectError {
    /// Whether trying again soon is of no use.
    pub(super) const fn is_lasting(&self) -> bool {
        matches!(self, Self::Authorities(..) | Self::Name(_) | Self::Tls(..))
    }
}

/// Connects, within the time that is allowed for it.
pub(super) async fn connect(
    settings: &Settings,
    clock: Arc<dyn Clock>,
    heard_ms: Arc<AtomicU64>,
) -> Result<(Reader, Writer), ConnectError> {
    let address = format!("{}:{}", settings.host, settings.port);
    let connecting = async {
        let unreachable = |error| ConnectError::Unreachable(address.clone(), error);
        let tcp = TcpStream::connect((settings.host.as_str(), settings.port)).await.map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
        let socket = SockRef::from(&tcp);
        socket.set_tcp_keepalive(&keepalive).map_err(unreachable)?;
        socket.set_tcp_user_timeout(Some(ACKNOWLEDGED_WITHIN)).map_err(unreachable)?;
        // A port that was given away as the connection's own would be talking to ourselves.
        let ends: (io::Result<SocketAddr>, io::Result<SocketAddr>) = (tcp.local_addr(), tcp.peer_addr());
        if let (Ok(own), Ok(theirs)) = ends
            && own == theirs
        {
            return Err(unreachable(io::ErrorKind::ConnectionRefused.into()));
        }
        let stream: Box<dyn Stream> = match &settings.tls {
            None => Box::new(tcp),
            Some(tls) => {
                let name = ServerName::try_from(tls.name.clone())
                    .map_err(|_| ConnectError::Name(tls.name.clone()))?;
                let connector = TlsConnector::from(Arc::new(client_config(tls)?));
                let stream = connector.connect(name, tcp).await;
                Box::new(stream.map_err(|error| ConnectError::Tls(address.clone(), error))?)
            }
        };
        let (read, write) = tokio::io::split(stream);
        Ok((
            Reader {
                half: read,
                codec: Codec::new(),
                buffer: BytesMut::new(),
                clock,
                heard_ms,
                heard: Instant::now(),
                is_known: false,
            },
            Writer { half: write, codec: Codec::new(), buffer: BytesMut::new(), flushed: true },
        ))
    };
    let timed = tokio::time::timeout(settings.timing.connect, connecting).await;
    timed.unwrap_or_else(|_| Err(ConnectError::Silent(address)))
}

fn client_config(tls: &Tls) -> Result<ClientConfig, ConnectError> {
    let mut roots = RootCertStore::empty();
    let unusable =
        |shown: &str, error: &dyn ToString| ConnectError::Authorities(shown.to_owned(), error.to_string());
    if let Some(file) = &tls.authorities {
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
        // Certificates that cannot be read are left out: another one may be the one that counts.
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

/// The incoming half.
pub(super) struct Reader {
    half: ReadHalf<Box<dyn Stream>>,
    codec: Codec,
    buffer: BytesMut,
    clock: Arc<dyn Clock>,
    heard_ms: Arc<AtomicU64>,
    heard: Instant,
    is_known: bool,
}

impl Reader {
    /// The next frame; `None` at the end of the connection. May be dropped while it waits: nothing is lost.
    pub(super) async fn next(&mut self) -> Result<Option<Frame>, CodecError> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.buffer)? {
                return Ok(Some(frame));
            }
            self.buffer.reserve(READ_BYTES);
            if self.half.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
            self.heard = Instant::now();
            if self.is_known {
                self.note_life();
            }
        }
    }

    /// It is the server that is meant: what it sends proves from now on that it is alive.
    pub(super) fn is_the_right_one(&mut self) {
        self.is_known = true;
        self.note_life();
    }

    fn note_life(&self) {
        // 0 stands for never.
        self.heard_ms.store(self.clock.monotonic_ms().max(1), Ordering::Relaxed);
    }

    /// When something came last, or the connection began.
    pub(super) const fn heard(&self) -> Instant {
        self.heard
    }

    /// Whether an answer with free text is awaited.
    pub(super) const fn expect_output(&mut self, expected: bool) {
        self.codec.expect_output(expected);
    }
}

/// The outgoing half.
pub(super) struct Writer {
    half: WriteHalf<Box<dyn Stream>>,
    codec: Codec,
    buffer: BytesMut,
    flushed: bool,
}

impl Writer {
    /// Adds an action to what is to be written.
    pub(super) fn queue(&mut self, action: &Action, id: &str) {
        // It writes into memory: it cannot fail.
        let _ = self.codec.encode((action, id), &mut self.buffer);
        self.flushed = false;
    }

    /// Whether something is to be written.
    pub(super) const fn has_work(&self) -> bool {
        !self.flushed
    }

    /// Writes what is queued. May be dropped while it waits: what was not written is written the next time.
    pub(super) async fn write(&mut self) -> io::Result<()> {
        while self.buffer.has_remaining() {
            self.half.write_buf(&mut self.buffer).await?;
        }
        self.half.flush().await?;
        self.flushed = true;
        Ok(())
    }
}
