//! `POST ?endpoint=client-profile-update`: changes the profile of a client. Absent fields stay, `null` clears a field.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::accounts::portal::{self, Change, ProfileChange};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;

/// Fields of a profile to change.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// Login of the client.
    login: String,
    /// Mail address; null clears it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    email: Change,
    /// Phone number, 5 to 15 digits, with or without `+`; null clears it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    phone: Change,
    /// Language, as `en` or `de-AT`; null clears it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    language: Change,
}

/// Profile of a client.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientProfile {
    /// Login of the client.
    login: String,
    /// Mail address; null where unset.
    email: Option<String>,
    /// Phone number; null where unset.
    phone: Option<String>,
    /// Language; null where unset.
    language: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// Profile of the client.
    client: ClientProfile,
}

pub(super) struct ClientProfileUpdate;

impl Endpoint for ClientProfileUpdate {
    const NAME: &'static str = "client-profile-update";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Change a client's mail address, phone number and language";
    const REFUSALS: &[Refusal] = &[(404, "not_found")];
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_field_is_kept_and_null_clears_it() {
        let read = |text: &str| serde_json::from_str::<Request>(text).unwrap();
        let request = read(r#"{"login":"1","email":null,"phone":"+491"}"#);
        assert_eq!(request.email, Change::Remove);
        assert_eq!(request.phone, Change::Set("+491".to_owned()));
        assert_eq!(request.language, Change::Keep);
    }
}
