//! `POST ?endpoint=reset-client-password`: sets a random password for a client and returns it, this once.

use serde::Serialize;
use utoipa::ToSchema;

use super::fields::ClientNamed;
use crate::accounts::portal;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;

#[derive(Serialize, ToSchema)]
pub(super) struct Answer {
    /// Login of the client.
    login: String,
    /// New password.
    temporary_password: String,
}

pub(super) struct ResetClientPassword;

impl Endpoint for ResetClientPassword {
    const NAME: &'static str = "reset-client-password";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Reset a client's password";
    const REFUSALS: &[Refusal] = &[(404, "not_found")];
    type Query = NoQuery;
    type Body = ClientNamed;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, body: ClientNamed) -> Result<Answer, ApiError> {
        let client = call.own_client(&body.login)?;
        let temporary_password =
            portal::reset_password(call.services(), client.id, &call.hash_caller()).await?;
        call.api.delays.forget(call.account.id, &client.login);
        Ok(Answer { login: client.login.clone(), temporary_password })
    }
}
