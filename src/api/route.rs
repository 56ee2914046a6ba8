//! An endpoint as a row of the table of its API.

use std::time::Duration;

use futures::future::BoxFuture;
use serde::Serialize;

use super::body;
use super::call::Call;
use super::described::{self, Described};
use super::endpoint::{Endpoint, Verb};
use super::error::ApiError;
use super::query::Parameters;
use super::refusals::Refusal;
use crate::config::UnknownFields;

/// Runs an endpoint.
type Run = fn(Call, Parameters, Vec<u8>) -> BoxFuture<'static, Result<String, ApiError>>;

/// An endpoint in the table.
pub struct Route {
    /// Its name in the URL.
    pub name: &'static str,
    /// Its method.
    pub verb: Verb,
    /// Largest body, in bytes.
    pub(super) max_body_bytes: usize,
    /// Time limit of its answer.
    pub(super) patience: Duration,
    /// True where it waits in the queue of costly requests.
    pub(super) is_costly: bool,
    /// The names of its parameters in the URL.
    pub parameters: fn() -> &'static [&'static str],
    /// Its documented refusals.
    pub refusals: fn() -> Vec<Refusal>,
    /// Runs it: the answer's JSON, without the API's own first member.
    pub(super) run: Run,
    /// Its part of the OpenAPI document.
    pub(super) describe: fn(flag: &'static str) -> Described,
    /// Reads its body and its query, without effect.
    #[cfg(feature = "fuzzing")]
    pub(crate) read: fn(body: &[u8], query: &str) -> Result<(), ApiError>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb.as_str(), self.name)
    }
}

/// The row of an endpoint.
pub fn route<E: Endpoint>() -> Route {
    Route {
        name: E::NAME,
        verb: E::VERB,
        max_body_bytes: E::MAX_BODY_BYTES,
        patience: E::PATIENCE,
        is_costly: E::IS_COSTLY,
        parameters: body::field_names::<E::Query>,
        refusals: described::refusals::<E>,
        run: run::<E>,
        describe: described::describe::<E>,
        #[cfg(feature = "fuzzing")]
        read: |bytes, query| {
            Parameters::read(Some(query))?.typed::<E::Query>()?;
            body::read::<E::Body>(bytes, false).map(drop)
        },
    }
}

fn run<E: Endpoint>(
    call: Call,
    parameters: Parameters,
    bytes: Vec<u8>,
) -> BoxFuture<'static, Result<String, ApiError>> {
    Box::pin(async move {
        let query = parameters.typed::<E::Query>()?;
        let ignore = call.services().config.api.unknown_fields == UnknownFields::Ignore;
        let body = match E::VERB {
            Verb::Get => body::nothing::<E::Body>()?,
            Verb::Post => body::read::<E::Body>(&bytes, ignore)?,
        };
        if E::IDEMPOTENT
            && let Some(key) = call.request_key.clone()
        {
            let api = call.api.clone();
            let _lock = key.lock(&api.key_locks).await;
            if let Some(answer) = key.first_answer(&api.services).await? {
                return Ok(answer);
            }
            call.charge_change(E::CHANGES)?;
            return to_text(&E::handle(call, query, body).await?);
        }
        call.charge_change(E::CHANGES)?;
        to_text(&E::handle(call, query, body).await?)
    })
}

fn to_text(answer: &impl Serialize) -> Result<String, ApiError> {
    serde_json::to_string(answer).map_err(|error| ApiError::fault(&error))
}
