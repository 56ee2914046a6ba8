//! `GET ?endpoint=quota`: an estimate of the number of messages that the available credit pays for.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::account::sender;
use crate::api::amount::D4;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoBody;
use crate::api::refusals::Refusal;
use crate::messaging::price::affordable_segments;

/// The provider and the account.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Provider; the default one where absent.
    provider: Option<String>,
    /// Login of a reseller's client; required for a reseller's key.
    client_login: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// Provider.
    provider: String,
    /// Balance.
    balance: D4,
    /// Lowest price of a segment.
    price_from: D4,
    /// Number of messages of one segment at that price that the available credit pays for.
    messages_estimate: i64,
}

pub(super) struct Quota;

impl Endpoint for Quota {
    const NAME: &'static str = "quota";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Estimate the number of messages that the credit pays for";
    const REFUSALS: &[Refusal] = &[(404, "not_found"), (422, "no_prices"), (422, "no_providers")];
    type Query = Wanted;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, wanted: Wanted, _: NoBody) -> Result<Answer, ApiError> {
        let account = sender(&call, wanted.client_login.as_deref())?;
        let providers = call.api.messaging.providers();
        let provider = match &wanted.provider {
            Some(name) => providers.get(name).ok_or_else(|| ApiError::missing("provider", "provider"))?,
            None => providers
                .default_provider()
                .ok_or_else(|| ApiError::refused("no_providers", "no provider of messages is set up"))?,
        };
        let prices = call.message_prices(account.settings().plan_id)?;
        let cheapest = prices.cheapest(call.services().clock.now());
        let price_from =
            cheapest.ok_or_else(|| ApiError::refused("no_prices", "the plan sells no messages"))?;
        let wallet = account.wallet.snapshot();
        Ok(Answer {
            provider: provider.name.clone(),
            balance: D4(wallet.balance),
            price_from: D4(price_from),
            messages_estimate: affordable_segments(wallet.available, price_from),
        })
    }
}
