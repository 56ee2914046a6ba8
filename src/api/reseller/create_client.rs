//! `POST ?endpoint=create-client`: creates a client of the reseller; its passwords are returned this once.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::accounts::clients::{self, ClientOfReseller, NewClientOfReseller};
use crate::accounts::ops::OpsError;
use crate::api::amount::Num;
use crate::api::attempts::Guess;
use crate::api::call::Call;
use crate::api::changes::Changes;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;

/// A client to create; every field may be absent.
#[derive(Deserialize, ToSchema)]
pub(super) struct Request {
    /// Login: letters, digits, `-`, `_` and `.`; a random one of 7 to 9 digits where absent.
    #[schema(min_length = 1, max_length = 32)]
    login: Option<String>,
    /// Password of the account; a random one where absent.
    #[schema(min_length = 8, max_length = 128)]
    password: Option<String>,
    /// Id of one of the reseller's plans; its retail plan where absent.
    plan_id: Option<i64>,
}

/// The main SIP account of a client.
#[derive(Serialize, ToSchema)]
pub(super) struct MainSipAccount {
    /// SIP login.
    login: String,
    /// SIP password.
    password: String,
}

/// The created client.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedClient {
    /// Id of the client.
    id: i64,
    /// Login of the client.
    login: String,
    /// Password of the account.
    password: String,
    /// Id of its plan.
    plan_id: i64,
    /// Retail balance.
    balance: Num,
    /// True where the client is enabled.
    active: bool,
    /// Its main SIP account.
    sip: MainSipAccount,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Answer {
    /// The created client.
    client: CreatedClient,
}

/// A refusal; `is_taken` where the login was not available.
struct Refused {
    error: ApiError,
    is_taken: bool,
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self { error, is_taken: false }
    }
}

impl From<OpsError> for Refused {
    fn from(error: OpsError) -> Self {
        let is_taken = matches!(error, OpsError::NameTaken(_));
        Self { error: error.into(), is_taken }
    }
}

pub(super) struct CreateClient;

impl Endpoint for CreateClient {
    const NAME: &'static str = "create-client";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Create a client";
    const CHANGES: Changes = Changes::Client;
    const IDEMPOTENT: bool = true;
    const REFUSALS: &[Refusal] = &[
        (404, "not_found"),
        (409, "exists"),
        (409, "login_taken"),
        (409, "too_many_clients"),
        (422, "plan_limit"),
        (422, "too_deep"),
        (422, "too_large"),
        (429, "too_many_attempts"),
    ];
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, request: Request) -> Result<Answer, ApiError> {
        let plan_id = match request.plan_id {
            Some(plan_id) => plan_id,
            None => call.retail_plan().await?.plan_id,
        };
        let new = NewClientOfReseller {
            reseller_id: call.account.id,
            login: request.login,
            password: request.password,
            plan_id,
            caller: call.hash_caller(),
        };
        let keep = |made: &ClientOfReseller| call.remember_answer(&Answer::of(made)).map_err(Refused::from);
        // One at a time where the login is chosen: a taken login is counted before the next request is checked.
        let mut guess = match &new.login {
            Some(_) => {
                let now_ms = call.services().clock.monotonic_ms();
                Some(call.api.attempts.begin(Guess::Login, call.account.id, now_ms).await?)
            }
            None => None,
        };
        let made = clients::create_for_reseller::<Refused>(call.services(), new, keep).await;
        let made = made.map_err(|Refused { error, is_taken }| {
            if let Some(guess) = guess.as_mut().filter(|_| is_taken) {
                guess.count_failure();
            }
            error
        })?;
        Ok(Answer::of(&made))
    }
}

impl Answer {
    fn of(made: &ClientOfReseller) -> Self {
        let account = &made.account;
        let sip = MainSipAccount { login: account.login.clone(), password: made.sip_password.clone() };
        let client = CreatedClient {
            id: account.id,
            login: account.login.clone(),
            password: made.password.clone(),
            plan_id: account.plan_id,
            balance: Num(made.balance),
            active: account.active,
            sip,
        };
        Self { client }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_login_counts_as_a_guess_and_other_refusals_do_not() {
        assert!(Refused::from(OpsError::NameTaken("1".to_owned())).is_taken);
        assert!(!Refused::from(OpsError::UnknownPlan("1".to_owned())).is_taken);
        assert!(!Refused::from(ApiError::away()).is_taken);
    }
}
