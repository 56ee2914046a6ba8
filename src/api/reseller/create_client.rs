//! `POST ?endpoint=create-client`: a new client of the reseller's, with its passwords, this once.

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

/// A client to make; everything may be left out.
#[derive(Deserialize, ToSchema)]
pub(super) struct Request {
    /// Its login: letters, digits, `-`, `_` and `.`; a random one of 7 to 9 digits when not given.
    #[schema(min_length = 1, max_length = 32)]
    login: Option<String>,
    /// The password of its account; a random one when not given.
    #[schema(min_length = 8, max_length = 128)]
    password: Option<String>,
    /// One of the reseller's plans; its retail plan when not given.
    plan_id: Option<i64>,
}

/// The SIP account that has been made with a client.
#[derive(Serialize, ToSchema)]
pub(super) struct MainSipAccount {
    login: String,
    password: String,
}

/// A client that has been made.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedClient {
    id: i64,
    login: String,
    password: String,
    plan_id: i64,
    balance: Num,
    active: bool,
    sip: MainSipAccount,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Answer {
    client: CreatedClient,
}

/// A refusal, and whether the login was not available.
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
        // One at a time where the login is chosen: what is taken is counted before the next is looked at.
        let mut guess = match &new.login {
            Some(_) => {
                let now_ms = call.services().clock.monotonic_ms();
                Some(call.api.attempts.turn(Guess::Login, call.account.id, now_ms).await?)
            }
            None => None,
        };
        let made = clients::create_for_reseller::<Refused>(call.services(), new, keep).await;
        let made = made.map_err(|Refused { error, is_taken }| {
            if let Some(guess) = guess.as_mut().filter(|_| is_taken) {
                guess.failed();
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
