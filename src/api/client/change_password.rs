//! `POST ?endpoint=change-password`: changes the password of the account; the current one is required.

use serde::Deserialize;
use utoipa::ToSchema;

use super::done::DoneAnswer;
use crate::accounts::credentials::{self, CredentialError};
use crate::api::attempts::Guess;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;

/// Current and new password.
#[derive(Deserialize, ToSchema)]
pub(super) struct Request {
    /// Current password.
    current_password: String,
    /// New password, 8 to 128 bytes.
    new_password: String,
}

pub(super) struct ChangePassword;

impl Endpoint for ChangePassword {
    const NAME: &'static str = "change-password";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Change account password";
    const REFUSALS: &[Refusal] = &[
        (409, "changed_meanwhile"),
        (422, "no_password"),
        (422, "wrong_password"),
        (429, "too_many_attempts"),
    ];
    type Query = NoQuery;
    type Body = Request;
    type Answer = DoneAnswer;

    async fn handle(call: Call, _: NoQuery, body: Request) -> Result<DoneAnswer, ApiError> {
        let Request { current_password, new_password } = body;
        let now_ms = call.services().clock.monotonic_ms();
        let mut guess = call.api.attempts.begin(Guess::Password, call.account.id, now_ms).await?;
        let (id, caller) = (call.account.id, call.hash_caller());
        let changed = credentials::change(call.services(), id, current_password, new_password, &caller).await;
        changed.inspect_err(|error| {
            if matches!(error, CredentialError::WrongPassword) {
                guess.count_failure();
            }
        })?;
        Ok(DoneAnswer { message: "Password changed" })
    }
}

impl From<CredentialError> for ApiError {
    fn from(error: CredentialError) -> Self {
        let text = error.to_string();
        match error {
            CredentialError::UnknownAccount(_) => Self::missing("login", "login"),
            CredentialError::NoPassword => Self::refused("no_password", text),
            CredentialError::WrongPassword => Self::refused("wrong_password", text).at("current_password"),
            CredentialError::Changed => Self::conflict("changed_meanwhile", text),
            CredentialError::New(_) => Self::bad_field("new_password", text),
            CredentialError::Hash(error) => error.into(),
            CredentialError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_current_password_is_422_and_names_its_field() {
        let error = ApiError::from(CredentialError::WrongPassword);
        assert_eq!((error.status.as_u16(), error.code), (422, "wrong_password"));
        assert_eq!(error.field.as_deref(), Some("current_password"));
        assert_eq!(ApiError::from(CredentialError::Changed).status, 409);
    }
}
