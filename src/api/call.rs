//! An authorised request, as the handlers of the endpoints see it.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::changes::Changes;
use super::error::ApiError;
use super::idempotency::RequestKey;
use super::state::Api;
use crate::accounts::hashing::Caller;
use crate::catalog::Plan;
use crate::directory::Account;
use crate::directory::keys::KeyHolder;
use crate::services::Services;
use crate::store::accounts::Kind;
use crate::store::idempotency::RememberedAnswer;

/// An authorised request.
#[derive(Clone)]
pub struct Call {
    /// The state of the APIs.
    pub api: Arc<Api>,
    /// The account of the API key.
    pub account: Arc<Account>,
    /// The API key.
    pub key: KeyHolder,
    /// The id of the request in the log.
    pub request_id: Arc<str>,
    /// The `Idempotency-Key`, where the request has one.
    pub request_key: Option<RequestKey>,
    /// The address the request comes from.
    pub address: IpAddr,
    /// Cancelled once the client has disconnected or has its answer.
    pub gone: CancellationToken,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("account", &self.account.login).finish_non_exhaustive()
    }
}

impl Call {
    /// The shared services.
    pub fn services(&self) -> &Services {
        &self.api.services
    }

    /// The queue in which the passwords of this request are hashed.
    pub fn hash_caller(&self) -> Caller {
        Caller::account(self.account.id, self.gone.clone())
    }

    /// A plan's name.
    pub fn plan_name(&self, plan_id: i64) -> String {
        self.api.calls.catalog.snapshot().name_of_plan(plan_id).unwrap_or_default().to_owned()
    }

    /// A plan with its prices.
    pub(super) fn priced_plan(&self, plan_id: i64) -> Result<Arc<Plan>, ApiError> {
        let plan = self.api.calls.catalog.snapshot().plan(plan_id).cloned();
        plan.ok_or_else(|| ApiError::refused("no_prices", "the plan has no prices at the moment"))
    }

    /// The row that an idempotent endpoint writes in the transaction of its effect, so that a repeated request gets
    /// this answer; none where the request has no `Idempotency-Key`.
    pub fn remember_answer(&self, answer: &impl Serialize) -> Result<Option<RememberedAnswer>, ApiError> {
        self.request_key.as_ref().map(|key| key.remember(self.services(), answer)).transpose()
    }

    /// Replaces the answer that was written with the effect of this request.
    pub async fn replace_answer(&self, answer: &impl Serialize) -> Result<(), ApiError> {
        match &self.request_key {
            Some(key) => key.replace_answer(self.services(), answer).await,
            None => Ok(()),
        }
    }

    /// Removes the answer that was kept: the request had no effect and may be repeated.
    pub async fn forget_answer(&self) -> Result<(), ApiError> {
        match &self.request_key {
            Some(key) => key.forget_answer(self.services()).await,
            None => Ok(()),
        }
    }

    /// Charges a change to the account's budgets.
    pub fn charge_change(&self, changes: Changes) -> Result<(), ApiError> {
        self.api.budgets.take(changes, self.account.id)
    }

    /// A client of the reseller that asks. Another reseller's client gets the same answer as an unknown login.
    pub fn own_client(&self, login: &str) -> Result<Arc<Account>, ApiError> {
        let found = self.api.calls.directory.account_named(login);
        found
            .filter(|account| account.kind == Kind::Client)
            .filter(|account| account.parent().is_some_and(|above| above.id == self.account.id))
            .ok_or_else(|| ApiError::missing("login", "client"))
    }
}
