//! `GET ?endpoint=providers`: the providers of messages.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{NoBody, NoQuery};

/// A provider; the name of a simulator says that it is one.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProviderRow {
    /// Name for requests.
    provider: String,
    /// Name for people.
    provider_name: String,
    /// Always false.
    sender_id_guaranteed: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// Providers, the default one first.
    providers: Vec<ProviderRow>,
}

pub(super) struct Providers;

impl Endpoint for Providers {
    const NAME: &'static str = "providers";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Providers of messages";
    type Query = NoQuery;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, _: NoBody) -> Result<Answer, ApiError> {
        let row = |provider: &crate::messaging::providers::Provider| ProviderRow {
            provider: provider.name.clone(),
            provider_name: provider.title.clone(),
            sender_id_guaranteed: false,
        };
        Ok(Answer { providers: call.api.messaging.providers().iter().map(row).collect() })
    }
}
