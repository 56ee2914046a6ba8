//! Client of external HTTP APIs: one address each, TLS with the system's authorities or those of a file, limits on the
//! time and size of an answer, and errors that tell if anything was sent.
//!
//! The other side may close a kept connection at the moment of its use. A request that the client had not begun to
//! write by then is written to a new connection: it cannot have arrived, and a failure would needlessly put the outcome
//! of a message or an order in doubt. A request whose first byte was written is never written again here. That is the
//! behaviour of hyper's `retry_canceled_requests`, and the reason why it stays enabled; callers alone decide about any
//! other retry.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::header::{HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use crate::dial::{DialError, Stream, Tls, dial};

/// Maximum idle connections kept: a few suffice for any rate, as an answer takes a fraction of a second.
const MAX_IDLE: usize = 8;
/// Idle time limit of a kept connection: shorter than on servers, to avoid writing to a connection that is being
/// closed.
const IDLE: Duration = Duration::from_secs(4);

/// Reason why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing was sent: the request cannot have arrived.
    #[error("{0}")]
    NotSent(String),
    /// Something was sent and no valid answer came back: the request may have arrived.
    #[error("{0}")]
    NoAnswer(String),
}

/// An answer.
#[derive(Debug)]
pub struct Answered {
    /// Status of the answer.
    pub status: StatusCode,
    /// Headers of the answer.
    pub headers: HeaderMap,
    /// Body of the answer.
    pub body: Bytes,
}

/// Limits on the time and size of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Total time of a request and its answer. Must exceed the time limit for connecting: a request that reaches this
    /// limit counts as sent.
    pub answer: Duration,
    /// Maximum size of an answer's body in bytes.
    pub body_bytes: usize,
}

/// A client of one API. Its connections are kept and shared.
#[derive(Clone)]
pub struct Outbound {
    client: Client<Dialer, Full<Bytes>>,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").finish_non_exhaustive()
    }
}

impl Outbound {
    /// Creates a client for this address without connecting. `http://` is supported as well: an API may be behind a
    /// local proxy. `Err` describes the problem with the address.
    pub fn new(url: &str, authorities: Option<PathBuf>, connect: Duration) -> Result<Self, &'static str> {
        let url: Uri = url.parse().map_err(|_| "url is no address")?;
        let host = url.host().ok_or("url has no host")?;
        let is_tls = url.scheme_str() == Some("https");
        // An IPv6 address is in brackets in a URL only.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let dialer = Dialer(Arc::new(Target {
            port: url.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            tls: is_tls.then(|| Tls { authorities, name: host.clone() }),
            host,
            within: connect,
        }));
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(MAX_IDLE)
            .retry_canceled_requests(true)
            .build(dialer);
        Ok(Self { client })
    }

    /// Sends a request and reads the whole answer.
    pub async fn ask(&self, mut request: Request<Full<Bytes>>, limits: Limits) -> Result<Answered, Failure> {
        const AGENT: HeaderValue = HeaderValue::from_static(concat!("tollgate/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, AGENT);
        let asking = async {
            let answer = self.client.request(request).await.map_err(|error| {
                let reason = innermost(&error);
                if error.is_connect() { Failure::NotSent(reason) } else { Failure::NoAnswer(reason) }
            })?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, limits.body_bytes).collect().await.map_err(|error| {
                Failure::NoAnswer(if error.is::<LengthLimitError>() {
                    format!("its answer is larger than {} bytes", limits.body_bytes)
                } else {
                    format!("its answer broke off: {}", innermost(&*error))
                })
            })?;
            Ok(Answered { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        let answered = tokio::time::timeout(limits.answer, asking).await;
        answered.unwrap_or_else(|_| Err(Failure::NoAnswer("it did not answer in time".to_owned())))
    }
}

/// Returns the innermost cause of an error: hyper's outer errors only describe where it happened.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        if innermost.downcast_ref::<DialError>().is_some() {
            break;
        }
        innermost = source;
    }
    innermost.to_string()
}

/// Address of the API.
#[derive(Debug)]
struct Target {
    host: String,
    port: u16,
    tls: Option<Tls>,
    within: Duration,
}

/// Connects the client to its only target, whatever the request's URI.
#[derive(Clone, Debug)]
struct Dialer(Arc<Target>);

impl tower::Service<Uri> for Dialer {
    type Response = TokioIo<Box<dyn Stream>>;
    type Error = DialError;
    type Future = BoxFuture<'static, Result<Self::Response, DialError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let target = Arc::clone(&self.0);
        async move {
            let stream = dial(&target.host, target.port, target.tls.as_ref(), target.within).await?;
            Ok(TokioIo::new(stream))
        }
        .boxed()
    }
}

impl Connection for Box<dyn Stream> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const LIMITS: Limits = Limits { answer: Duration::from_secs(5), body_bytes: 64 };

    fn request(port: u16) -> Request<Full<Bytes>> {
        Request::post(format!("http://127.0.0.1:{port}/x")).body(Full::new(Bytes::from("x"))).unwrap()
    }

    #[tokio::test]
    async fn a_request_that_was_written_is_not_written_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        // Answers one request of a connection, then reads the next, counts it, and closes.
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    let mut buffer = [0; 4_096];
                    let _ = stream.read(&mut buffer).await;
                    count.fetch_add(1, Ordering::SeqCst);
                    let _ = stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\nok").await;
                    if matches!(stream.read(&mut buffer).await, Ok(1..)) {
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        let way = Outbound::new(&format!("http://127.0.0.1:{port}"), None, Duration::from_secs(1)).unwrap();
        assert_eq!(way.ask(request(port), LIMITS).await.unwrap().body, "ok");
        let second = way.ask(request(port), LIMITS).await;
        assert!(matches!(second, Err(Failure::NoAnswer(_))), "{second:?}");
        assert_eq!(seen.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn an_answer_that_drips_for_ever_or_outgrows_its_limit_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut buffer = [0; 4_096];
                    let _ = stream.read(&mut buffer).await;
                    let _ = stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 100000\r\n\r\n").await;
                    while stream.write_all(b"x").await.is_ok() {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                });
            }
        });
        let way = Outbound::new(&format!("http://127.0.0.1:{port}"), None, Duration::from_secs(1)).unwrap();
        // An answer that would take a quarter of an hour, each byte of it in time.
        let limits = Limits { answer: Duration::from_millis(300), body_bytes: 1 << 20 };
        let dripped = way.ask(request(port), limits).await;
        assert_eq!(dripped.unwrap_err(), Failure::NoAnswer("it did not answer in time".to_owned()));
        let outgrown = way.ask(request(port), LIMITS).await.unwrap_err().to_string();
        assert!(outgrown.contains("larger than 64 bytes"), "{outgrown}");
    }

    #[tokio::test]
    async fn a_kept_connection_that_was_closed_meanwhile_makes_nothing_uncertain() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = [0; 4_096];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\nok").await;
                // Closed silently, like an idle connection.
            }
        });
        let way = Outbound::new(&format!("http://127.0.0.1:{port}"), None, Duration::from_secs(1)).unwrap();
        for pause_ms in [0, 50, 50, 0, 50] {
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            match way.ask(request(port), LIMITS).await {
                Ok(answered) => assert_eq!(answered.status, 200),
                // Without a pause the close may occur during the write, with an unknown outcome.
                Err(failure) => {
                    assert!(pause_ms == 0 && matches!(failure, Failure::NoAnswer(_)), "{failure:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_address_is_said() {
        for (url, wrong) in [("no address", "url is no address"), ("/api", "url has no host")] {
            assert_eq!(Outbound::new(url, None, Duration::from_secs(1)).map(drop), Err(wrong));
        }
    }
}
