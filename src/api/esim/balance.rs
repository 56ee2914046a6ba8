//! `GET ?endpoint=balance`: the balance of the account.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::amount::D4;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{NoBody, NoQuery};

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// Balance.
    balance: D4,
    /// Currency, ISO 4217.
    currency: String,
}

pub(super) struct Balance;

impl Endpoint for Balance {
    const NAME: &'static str = "balance";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Account balance";
    type Query = NoQuery;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, _: NoBody) -> Result<Answer, ApiError> {
        let balance = D4(call.account.wallet.snapshot().balance);
        Ok(Answer { balance, currency: call.services().currency().to_owned() })
    }
}
