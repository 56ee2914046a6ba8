//! `POST ?endpoint=create-client`: a new client of the reseller's, with its passwords, this once.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::accounts::clients::{self, ClientOfReseller, NewClientOfReseller};
use crate::api::amount::Num;
use crate::api::changes::Changes;
use crate::api::endpoint::{Call, Endpoint, Verb};
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
        let keep = |made: &ClientOfReseller| call.remembered(&Answer::of(made));
        let made = clients::create_for_reseller::<ApiError>(call.desk(), new, keep).await?;
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
