//! The public listener: TLS, CORS.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, Method, header};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::router::router;
use super::state::Api;
use crate::config::Http;
use crate::listen::{Caps, Listener, Patience, Settings};

/// Interval at which counters of idle keys and addresses are removed.
const FORGET_EVERY: Duration = Duration::from_mins(1);

/// An unusable TLS configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("{key} {file} cannot be used: {reason}")]
    File {
        /// The configuration's key.
        key: &'static str,
        /// The file.
        file: String,
        /// The fault.
        reason: String,
    },
    /// The certificate and the key do not fit.
    #[error("http.tls_cert and http.tls_key cannot be used together: {0}")]
    Pair(String),
}

/// The TLS acceptor, where certificate paths are configured.
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

/// The origins whose pages may read answers in a browser.
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

/// Connection limits of the public listener.
pub fn settings(http: &Http, caps: Caps) -> Settings {
    let (proxies, patience) = (http.trusted_proxies.clone(), Patience::default());
    Settings { name: "http", caps, allow: None, proxies, patience }
}

/// Serves until `shutdown`; requests in progress then have some seconds.
pub async fn serve(listener: Listener, tls: Option<TlsAcceptor>, api: Arc<Api>, shutdown: CancellationToken) {
    if let Ok(address) = listener.local_addr() {
        api.set_address(address);
    }
    let mut router = router(&api);
    if let Some(cors) = cors(&api.services.config.http) {
        router = router.layer(cors);
    }
    let forgetting = async {
        let mut forget = tokio::time::interval(FORGET_EVERY);
        loop {
            forget.tick().await;
            api.forget_idle();
        }
    };
    tokio::select! {
        () = listener.serve(tls, router, shutdown) => {}
        () = forgetting => {}
    }
}
