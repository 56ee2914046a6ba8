//! HTTP as seven.io and gateways like it speak it.
//!
//! A message is a `POST {url}/sms` that names it by our reference (`foreign_id`). What happened before the request was sent
//! (no connection, TLS refused) proves that the message was not accepted; a failure after that proves nothing.

pub(crate) mod answer;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use jiff::tz::TimeZone;

use self::answer::{LONG_PAUSE, unclear};
use super::connector::{Accepted, Connector, Encoding, Found, Outgoing, Receipt, Submitted};
use crate::config::Secret;
use crate::outbound::{self, Answered, Failure, Outbound};

/// How long a gateway that cannot be reached is left alone.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Rows of the journal that are looked through: the most that a gateway gives at once.
const JOURNAL_ROWS: u32 = 100;
/// The longest that a gateway can ask to be left alone.
const LONGEST_PAUSE_S: u64 = 300;

/// How long things may take and how big they may be; tests shorten them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// A connection, TLS included.
    pub(super) connect: Duration,
    /// A request and its answer, all in all. Longer than `connect`: what ends in this time counts as sent.
    pub(super) answer: Duration,
    /// The bytes of an answer. A journal of a hundred messages of ten segments has a fifth of it.
    pub(super) body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), answer: Duration::from_secs(25), body_bytes: 1_024 * 1_024 }
    }
}

/// A gateway.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) name: String,
    /// The address before `/sms`.
    pub(super) url: String,
    pub(super) api_key: Secret,
    pub(super) authorities: Option<PathBuf>,
    pub(super) zone: TimeZone,
    pub(super) limits: Limits,
}

/// The connector.
pub(super) struct Http {
    settings: Settings,
    base: String,
    key: HeaderValue,
    outbound: Outbound,
    /// True if the last request was answered, and not by a refusal of the API key.
    is_up: AtomicBool,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("name", &self.settings.name).finish_non_exhaustive()
    }
}

impl Http {
    /// Creates a connector; nothing is connected yet. The error is the fault in the settings.
    pub(super) fn new(settings: Settings) -> Result<Self, String> {
        let wrong = |what: &str| format!("sms.provider {}: {what}", settings.name);
        let outbound = Outbound::new(&settings.url, settings.authorities.clone(), settings.limits.connect)
            .map_err(wrong)?;
        let mut key = HeaderValue::from_str(settings.api_key.reveal())
            .map_err(|_| wrong("api_key cannot be sent in a header"))?;
        key.set_sensitive(true);
        let base = settings.url.trim_end_matches('/').to_owned();
        Ok(Self { settings, base, key, outbound, is_up: AtomicBool::new(true) })
    }

    /// Asks, and gives the answer's status, the pause that it asks for, and its body.
    async fn ask_for(
        &self,
        method: Method,
        path: &str,
        form: &[(&str, &str)],
    ) -> Result<(StatusCode, Option<Duration>, String), Failure> {
        let pairs = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let (uri, body) = match method {
            Method::GET => (format!("{}{path}?{pairs}", self.base), String::new()),
            _ => (format!("{}{path}", self.base), pairs),
        };
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(API_KEY, self.key.clone())
            .header(ACCEPT, "application/json, text/plain")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Failure::NotSent(error.to_string()))?;
        let Limits { answer, body_bytes, .. } = self.settings.limits;
        let answered = self.outbound.ask(request, outbound::Limits { answer, body_bytes }).await;
        let answered = answered.and_then(|Answered { status, headers, body }| {
            let pause = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let pause = pause
                .and_then(|seconds| seconds.parse().ok())
                .map(|seconds: u64| Duration::from_secs(seconds.clamp(1, LONGEST_PAUSE_S)));
            let body = String::from_utf8(body.into())
                .map_err(|_| Failure::NoAnswer("its answer is no text".to_owned()))?;
            Ok((status, pause, body))
        });
        self.note(&answered);
        answered
    }

    /// Remembers whether the gateway is there and knows us; a change is logged.
    fn note(&self, answered: &Result<(StatusCode, Option<Duration>, String), Failure>) {
        let trouble = match answered {
            Err(Failure::NotSent(reason) | Failure::NoAnswer(reason)) => Some(reason.clone()),
            Ok((status, ..)) if status.is_server_error() || *status == StatusCode::UNAUTHORIZED => {
                Some(format!("it answers {}", status.as_u16()))
            }
            Ok((_, _, body)) => match answer::bare_code(body) {
                Some(code @ (900 | 902 | 903)) => Some(format!("it answers {code}")),
                _ => None,
            },
        };
        let is_up = trouble.is_none();
        if self.is_up.swap(is_up, Ordering::Relaxed) != is_up {
            let provider = &self.settings.name;
            if let Some(reason) = trouble {
                tracing::warn!(provider = %provider, %reason, "message provider unavailable");
            } else {
                tracing::info!(provider = %provider, "message provider available again");
            }
        }
    }

    async fn give(&self, message: &Outgoing) -> Submitted {
        let mut form = vec![
            ("to", message.to.as_str()),
            ("text", message.text.as_str()),
            ("foreign_id", message.reference.as_str()),
            ("json", "1"),
        ];
        if let Some(sender_id) = &message.sender_id {
            form.push(("from", sender_id));
        }
        if message.encoding == Encoding::Ucs2 {
            form.push(("unicode", "1"));
        }
        match self.ask_for(Method::POST, "/sms", &form).await {
            Err(Failure::NotSent(reason)) => Submitted::NotAccepted { reason, pause: Some(RECONNECT_PAUSE) },
            Err(Failure::NoAnswer(reason)) => unclear(&reason, Accepted::default()),
            Ok((status, pause, body)) => understand(status, pause, &body),
        }
    }
}

/// The outcome of a message from an answer to `/sms`.
fn understand(status: StatusCode, pause: Option<Duration>, body: &str) -> Submitted {
    let number = status.as_u16();
    let reason = format!("the provider answers HTTP {number}");
    // A server that fails, or a proxy before it, may have passed the request on.
    if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
        return unclear(&reason, Accepted::default());
    }
    if let Some(submitted) = answer::submitted(body) {
        return submitted;
    }
    match number {
        200..300 => unclear("its answer cannot be understood", Accepted::default()),
        429 => Submitted::NotAccepted { reason, pause: pause.or(Some(Duration::from_secs(1))) },
        // Redirected, not let in, or not the right address: nothing was done with it.
        300..400 | 401..=405 | 407 => Submitted::NotAccepted { reason, pause: Some(LONG_PAUSE) },
        400..500 => Submitted::Refused { reason },
        _ => unclear(&reason, Accepted::default()),
    }
}

impl Connector for Http {
    fn submit(&self, message: Outgoing) -> BoxFuture<'_, Submitted> {
        async move { self.give(&message).await }.boxed()
    }

    fn find<'a>(&'a self, reference: &'a str, to: &'a str) -> BoxFuture<'a, Found> {
        let limit = JOURNAL_ROWS.to_string();
        async move {
            let form = [("to", to), ("limit", limit.as_str())];
            match self.ask_for(Method::GET, "/journal/outbound", &form).await {
                Ok((StatusCode::OK, _, body)) => {
                    answer::in_journal(&body, reference).map_or(Found::CannotTell, Found::Accepted)
                }
                _ => Found::CannotTell,
            }
        }
        .boxed()
    }

    fn fetch_status<'a>(&'a self, upstream_id: &'a str) -> BoxFuture<'a, Option<Receipt>> {
        async move {
            match self.ask_for(Method::POST, "/status", &[("msg_id", upstream_id)]).await {
                Ok((StatusCode::OK, _, body)) => answer::status(&body, upstream_id, &self.settings.zone),
                _ => None,
            }
        }
        .boxed()
    }

    fn can_find(&self) -> bool {
        true
    }

    fn needs_polling(&self) -> bool {
        true
    }

    fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    /// Kept connections end by themselves within seconds, and with the connector.
    fn close(&self) -> BoxFuture<'_, ()> {
        futures::future::ready(()).boxed()
    }
}
