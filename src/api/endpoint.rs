//! The trait of an endpoint.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::{IntoParams, ToSchema};

use super::body;
use super::call::Call;
use super::changes::Changes;
use super::error::ApiError;
use super::refusals::Refusal;
use super::transport::ANSWER_PATIENCE;

/// The HTTP method of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Reads only.
    Get,
    /// May change something.
    Post,
}

impl Verb {
    /// As in a request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// One operation of an API.
///
/// The answer is an object; the API's own `success: true` or `ok: true` is put before it.
pub trait Endpoint: 'static {
    /// Its name in the URL.
    const NAME: &'static str;
    /// Its method.
    const VERB: Verb;
    /// Summary for the documentation.
    const SUMMARY: &'static str;
    /// True where an `Idempotency-Key` makes repeated requests take effect once: the handler then writes
    /// [`Call::remember_answer`] in the transaction of its effect.
    const IDEMPOTENT: bool = false;
    /// The change it makes without paying for it.
    const CHANGES: Changes = match Self::VERB {
        Verb::Get => Changes::Nothing,
        Verb::Post => Changes::Something,
    };
    /// Its own refusals, beside those that follow from the other constants: status and machine code.
    const REFUSALS: &[Refusal] = &[];
    /// Largest body, in bytes.
    const MAX_BODY_BYTES: usize = body::MAX_BYTES;
    /// Time limit of its answer.
    const PATIENCE: Duration = ANSWER_PATIENCE;
    /// True where it needs a processor for milliseconds: it then waits in the queue of costly requests, and may be
    /// refused with 429.
    const IS_COSTLY: bool = false;
    /// Its parameters in the URL.
    type Query: DeserializeOwned + IntoParams + Send;
    /// Its body.
    type Body: DeserializeOwned + ToSchema + Send;
    /// Its answer.
    type Answer: Serialize + ToSchema + Send;

    /// Carries out the request. A `Post` continues to its end after the client has disconnected.
    fn handle(
        call: Call,
        query: Self::Query,
        body: Self::Body,
    ) -> impl Future<Output = Result<Self::Answer, ApiError>> + Send;
}
