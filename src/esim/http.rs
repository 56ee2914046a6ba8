//! A request to an upstream's HTTP API: TLS by the system's own authorities, a time limit, and a bounded answer.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio_rustls::rustls::crypto::ring;

/// How long connecting may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// How long an idle connection is kept: upstreams close theirs after a minute or so.
const IDLE: Duration = Duration::from_secs(20);
/// Idle connections to one upstream.
const MAX_IDLE: usize = 4;

/// Why there is no answer. Whether the request arrived is not known in any of these but the first.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nothing was sent: no connection.
    #[error("no connection: {0}")]
    NotConnected(String),
    /// The connection broke, or what came is no HTTP.
    #[error("no answer: {0}")]
    Broken(String),
    /// It took too long.
    #[error("no answer within {0} s")]
    TooSlow(u64),
    /// The answer is larger than it may be.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The request cannot be put together.
    #[error("no request: {0}")]
    NoRequest(String),
}

/// What was answered.
#[derive(Debug)]
pub struct Answered {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Bytes,
}

/// Makes requests; its connections are kept and shared.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Http {
    /// A client that trusts the system's authorities. `http://` is spoken too: an upstream may stand behind a proxy of
    /// one's own, and the simulator does.
    pub fn new() -> Result<Self, HttpError> {
        let builder = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(Arc::new(ring::default_provider()))
            .map_err(|error| HttpError::NoRequest(format!("the system's authorities: {error}")))?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_PATIENCE));
        let connector = builder.https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE)
            // What may have arrived is asked again by whoever knows whether that is safe.
            .retry_canceled_requests(false)
            .build(connector);
        Ok(Self { client })
    }

    /// Posts JSON and reads the answer whole, within `patience` and `max_bytes`.
    pub async fn post_json(
        &self,
        uri: &Uri,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
        patience: Duration,
        max_bytes: usize,
    ) -> Result<Answered, HttpError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(uri.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("tollgate/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request =
            request.body(Full::new(body)).map_err(|error| HttpError::NoRequest(error.to_string()))?;
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| {
                if error.is_connect() {
                    HttpError::NotConnected(whole_reason(&error))
                } else {
                    HttpError::Broken(whole_reason(&error))
                }
            })?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, max_bytes).collect().await.map_err(|error| {
                if error.downcast_ref::<LengthLimitError>().is_some() {
                    HttpError::TooLarge(max_bytes)
                } else {
                    HttpError::Broken(error.to_string())
                }
            })?;
            Ok(Answered { status: parts.status, body: body.to_bytes() })
        };
        tokio::time::timeout(patience, exchange)
            .await
            .unwrap_or_else(|_| Err(HttpError::TooSlow(patience.as_secs())))
    }
}

/// An error with what caused it: the outermost alone says only that something failed.
fn whole_reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
