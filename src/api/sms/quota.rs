//! `GET ?endpoint=quota`: for about how many messages the balance lasts.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::whose::sender;
use crate::api::amount::D4;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoBody;
use crate::messaging::price::affordable_segments;

/// Whose, by which provider.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The provider; the default one where none.
    provider: Option<String>,
    /// The login of a reseller's client.
    client_login: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    provider: String,
    balance: D4,
    /// The lowest price of a segment.
    price_from: D4,
    /// How many messages of one segment at that price the available credit pays.
    messages_estimate: i64,
}

pub(super) struct Quota;

impl Endpoint for Quota {
    const NAME: &'static str = "quota";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "For how many messages the balance lasts";
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
