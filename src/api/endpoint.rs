//! What an endpoint is, and who asks it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};

use super::changes::Changes;
use super::dispatch::ANSWER_PATIENCE;
use super::error::ApiError;
use super::openapi::{self, Described};
use super::query::Parameters;
use super::{Api, body, idempotency};
use crate::accounts::hashing::Caller;
use crate::config::UnknownFields;
use crate::directory::Account;
use crate::directory::keys::KeyHolder;
use crate::services::Services;
use crate::store::accounts::Kind;
use crate::store::idempotency::RememberedAnswer;

/// How an endpoint is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It changes nothing.
    Get,
    /// It may change something.
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
    /// How it is asked.
    const VERB: Verb;
    /// What it does, a sentence for the documentation.
    const SUMMARY: &'static str;
    /// Whether an `Idempotency-Key` makes it happen once: its handler then writes [`Call::remembered`] in the transaction
    /// of what it does.
    const IDEMPOTENT: bool = false;
    /// The change it makes without paying for it.
    const CHANGES: Changes = match Self::VERB {
        Verb::Get => Changes::Nothing,
        Verb::Post => Changes::Something,
    };
    /// The largest body it reads.
    const MAX_BODY_BYTES: usize = body::MAX_BYTES;
    /// How long whoever asks waits for its answer.
    const PATIENCE: Duration = ANSWER_PATIENCE;
    /// Whether it takes a processor for milliseconds: it then waits for its turn, and may be refused with 429.
    const IS_COSTLY: bool = false;
    /// Its parameters in the URL.
    type Query: DeserializeOwned + IntoParams + Send;
    /// Its body.
    type Body: DeserializeOwned + ToSchema + Send;
    /// What it answers.
    type Answer: Serialize + ToSchema + Send;

    /// Carries it out. A `Post` is carried to its end even where whoever asked goes away.
    fn handle(
        call: Call,
        query: Self::Query,
        body: Self::Body,
    ) -> impl Future<Output = Result<Self::Answer, ApiError>> + Send;
}

/// A request that was let in.
#[derive(Clone)]
pub struct Call {
    /// The service.
    pub api: Arc<Api>,
    /// Whose key it shows.
    pub account: Arc<Account>,
    /// The key.
    pub key: KeyHolder,
    /// What it is found by in the log.
    pub request_id: Arc<str>,
    /// The `Idempotency-Key` header.
    pub idempotency_key: Option<String>,
    /// A digest of API, endpoint and body: what an idempotency key stands for. Nothing where none was sent.
    pub fingerprint: [u8; 32],
    /// The address it comes from.
    pub address: IpAddr,
    /// Cancelled once whoever asked has gone away or has been answered.
    pub gone: CancellationToken,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("account", &self.account.login).finish_non_exhaustive()
    }
}

impl Call {
    /// Everything operations need.
    pub fn services(&self) -> &Services {
        &self.api.services
    }

    /// In whose turn this request's passwords are hashed.
    pub fn hash_caller(&self) -> Caller {
        Caller::account(self.account.id, self.gone.clone())
    }

    /// A plan's name.
    pub fn plan_name(&self, plan_id: i64) -> String {
        self.api.calls.catalog.snapshot().name_of_plan(plan_id).unwrap_or_default().to_owned()
    }

    /// What an endpoint that is [`Endpoint::IDEMPOTENT`] writes beside what it does, so that the same request again gets
    /// this answer; none where no `Idempotency-Key` was sent.
    pub fn remembered(&self, answer: &impl Serialize) -> Result<Option<RememberedAnswer>, ApiError> {
        let Some(key) = &self.idempotency_key else { return Ok(None) };
        Ok(Some(idempotency::remembered(self, key, &as_text(answer)?)))
    }

    /// Keeps another answer for this request than the one that was kept with what it does.
    pub async fn remember_instead(&self, answer: &impl Serialize) -> Result<(), ApiError> {
        if let Some(answer) = self.remembered(answer)? {
            self.services().store.replace_answer(&answer).await?;
        }
        Ok(())
    }

    /// Forgets the answer that was kept: nothing was done, and the same request may be made again.
    pub async fn forget_answer(&self) -> Result<(), ApiError> {
        if let Some(key) = &self.idempotency_key {
            self.services().store.forget_answer(self.account.id, key).await?;
        }
        Ok(())
    }

    /// Takes a change from the budgets of the account that asks.
    pub fn takes(&self, changes: Changes) -> Result<(), ApiError> {
        self.api.budgets.take(changes, self.account.id)
    }

    /// A client of the reseller that asks. Somebody else's is missing as one that does not exist is.
    pub fn own_client(&self, login: &str) -> Result<Arc<Account>, ApiError> {
        let found = self.api.calls.directory.account_named(login);
        found
            .filter(|account| account.kind == Kind::Client)
            .filter(|account| account.parent().is_some_and(|above| above.id == self.account.id))
            .ok_or_else(|| ApiError::missing("login", "client"))
    }
}

/// Runs an endpoint.
type Run = fn(Call, Parameters, Vec<u8>) -> BoxFuture<'static, Result<String, ApiError>>;

/// An endpoint in the table.
pub struct Route {
    /// Its name in the URL.
    pub name: &'static str,
    /// How it is asked.
    pub verb: Verb,
    /// The largest body it reads.
    pub(super) max_body_bytes: usize,
    /// How long whoever asks waits for its answer.
    pub(super) patience: Duration,
    /// Whether it waits for a turn.
    pub(super) is_costly: bool,
    /// Runs it: the answer's JSON, without the API's own first member.
    pub(super) run: Run,
    /// What the OpenAPI document says of it.
    pub(super) describe: fn(flag: &'static str) -> Described,
    /// Reads its body and its query, and does nothing.
    #[cfg(feature = "fuzzing")]
    pub(crate) read: fn(body: &[u8], query: &str) -> Result<(), ApiError>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb.as_str(), self.name)
    }
}

/// An endpoint as a line of the table.
pub fn route<E: Endpoint>() -> Route {
    Route {
        name: E::NAME,
        verb: E::VERB,
        max_body_bytes: E::MAX_BODY_BYTES,
        patience: E::PATIENCE,
        is_costly: E::IS_COSTLY,
        run: run::<E>,
        describe: openapi::describe::<E>,
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
        let ignore = call.api.services.config.api.unknown_fields == UnknownFields::Ignore;
        let body = match E::VERB {
            Verb::Get => body::nothing::<E::Body>()?,
            Verb::Post => body::read::<E::Body>(&bytes, ignore)?,
        };
        if E::IDEMPOTENT
            && let Some(key) = call.idempotency_key.clone()
        {
            let _lock = call.api.repeats.lock((call.account.id, key.clone())).await;
            if let Some(answer) = idempotency::first_answer(&call, &key).await? {
                return Ok(answer);
            }
            call.takes(E::CHANGES)?;
            return as_text(&E::handle(call, query, body).await?);
        }
        call.takes(E::CHANGES)?;
        as_text(&E::handle(call, query, body).await?)
    })
}

fn as_text(answer: &impl Serialize) -> Result<String, ApiError> {
    serde_json::to_string(answer).map_err(|error| ApiError::fault(&error))
}
