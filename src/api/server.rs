//! Connections: how many, how long they may take, TLS.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Method, header};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;
use tower::Service as _;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::Api;
use crate::config::Http;

/// How long a request's head may take, and how long a connection may be idle before one begins.
const HEAD_PATIENCE: Duration = Duration::from_secs(15);
/// How long the other side may take nothing of an answer: what it holds is a place that others wait for.
const WRITE_PATIENCE: Duration = Duration::from_secs(20);
/// How long a TLS handshake may take.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// How long requests under way have to end when the service stops.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// The wait after an accept that failed: the process is out of file descriptors, and others end meanwhile.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// The largest head of a request.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Header lines of a request.
const MAX_HEADERS: usize = 64;
/// How often those who have not asked for a while are forgotten.
const FORGET_EVERY: Duration = Duration::from_mins(1);

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("{key} {file} cannot be used: {reason}")]
    File {
        /// The configuration's key.
        key: &'static str,
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate and the key do not fit.
    #[error("http.tls_cert and http.tls_key cannot be used together: {0}")]
    Pair(String),
}

/// What TLS is spoken with, where certificate paths are configured.
pub fn tls(http: &Http) -> Result<Option<TlsAcceptor>, TlsError> {
    let (Some(cert), Some(key)) = (&http.tls_cert, &http.tls_key) else { return Ok(None) };
    let wrong = |key: &'static str, file: &Path, reason: &dyn std::fmt::Display| TlsError::File {
        key,
        file: file.display().to_string(),
        reason: reason.to_string(),
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|error| wrong("http.tls_cert", cert, &error))?;
    if chain.is_empty() {
        return Err(wrong("http.tls_cert", cert, &"it holds no certificate"));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong("http.tls_key", key, &error))?;
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| TlsError::Pair(error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

/// Whose pages may read answers in a browser.
fn cors(http: &Http) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> =
        http.cors_origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    (!origins.is_empty()).then(|| {
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods([Method::GET, Method::POST])
            .allow_headers([
                header::CONTENT_TYPE,
                header::HeaderName::from_static("x-api-key"),
                header::HeaderName::from_static("idempotency-key"),
            ])
            .expose_headers([header::HeaderName::from_static("x-request-id"), header::RETRY_AFTER])
    })
}

/// Serves until `shutdown`; requests under way then have some seconds.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    api: Arc<Api>,
    shutdown: CancellationToken,
) {
    let http = &api.desk.config.http;
    if let Ok(address) = listener.local_addr() {
        api.listens_at(address);
    }
    let mut router = api.router();
    if let Some(cors) = cors(http) {
        router = router.layer(cors);
    }
    let room = Arc::new(Semaphore::new(http.max_connections));
    let graceful = GracefulShutdown::new();
    let mut forget = tokio::time::interval(FORGET_EVERY);
    loop {
        let place = tokio::select! {
            () = shutdown.cancelled() => break,
            _ = forget.tick() => {
                api.forget_idle();
                continue;
            }
            place = Arc::clone(&room).acquire_owned() => place,
        };
        // Nobody closes the semaphore.
        let Ok(place) = place else { break };
        let (stream, address) = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            },
        };
        // Answers are small; waiting to fill a packet would only delay them.
        let _ = stream.set_nodelay(true);
        let (router, tls, watcher) = (router.clone(), tls.clone(), graceful.watcher());
        tokio::spawn(async move {
            match tls {
                None => converse(stream, address, router, watcher).await,
                Some(tls) => match tokio::time::timeout(HANDSHAKE_PATIENCE, tls.accept(stream)).await {
                    Ok(Ok(stream)) => converse(stream, address, router, watcher).await,
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!("a TLS handshake took too long"),
                },
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(STOP_PATIENCE, graceful.shutdown()).await.is_err() {
        tracing::warn!("HTTP requests were still under way when the process stopped");
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    address: SocketAddr,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_PATIENCE));
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(address));
        // A router is always ready.
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}
