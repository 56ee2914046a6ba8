//! `POST ?endpoint=client-profile-update`: who a client is. What is not sent stays, `null` removes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::accounts::portal::{self, Change, ProfileChange};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;

#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// The client's login.
    login: String,
    /// Mail address.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    email: Change,
    /// Phone number, 5 to 15 digits, with `+` or without.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    phone: Change,
    /// Language, as `en` or `de-AT`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    language: Change,
}

/// Who a client is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientProfile {
    login: String,
    email: Option<String>,
    phone: Option<String>,
    language: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    client: ClientProfile,
}

pub(super) struct ClientProfileUpdate;

impl Endpoint for ClientProfileUpdate {
    const NAME: &'static str = "client-profile-update";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Change a client's mail address, phone number and language";
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, body: Request) -> Result<Answer, ApiError> {
        let client = call.own_client(&body.login)?;
        let change = ProfileChange { email: body.email, phone: body.phone, language: body.language };
        let profile = portal::change_profile(call.services(), client.id, change).await?;
        let client = ClientProfile {
            login: client.login.clone(),
            email: profile.email,
            phone: profile.phone,
            language: profile.language,
        };
        Ok(Answer { client })
    }
}
