//! `GET ?endpoint=me`: the reseller and its wholesale balance.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::amount::Num;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{NoBody, NoQuery};

/// The reseller of the key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResellerMe {
    /// Id of the account.
    id: i64,
    /// Login.
    username: String,
    /// Always `Agent`.
    group: &'static str,
    /// Wholesale balance.
    balance: Num,
    /// True where the account is enabled.
    active: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// The reseller of the key.
    reseller: ResellerMe,
}

pub(super) struct Me;

impl Endpoint for Me {
    const NAME: &'static str = "me";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Account status";
    type Query = NoQuery;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, _: NoBody) -> Result<Answer, ApiError> {
        let account = &call.account;
        let reseller = ResellerMe {
            id: account.id,
            username: account.login.clone(),
            group: "Agent",
            balance: Num(account.wallet.snapshot().balance),
            active: account.settings().active,
        };
        Ok(Answer { reseller })
    }
}
