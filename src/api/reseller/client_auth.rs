//! `POST ?endpoint=client-auth`: whether a login and a password belong to one of the reseller's clients.
//!
//! Who has no account, another reseller's, none with a password or a wrong one is answered alike and after the same time,
//! and made to wait alike.

use std::net::IpAddr;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fields;
use crate::accounts::password::MAX_BYTES;
use crate::accounts::portal;
use crate::api::call::Call;
use crate::api::changes::Changes;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;

#[derive(Deserialize, ToSchema)]
pub(super) struct Request {
    /// The client's login.
    login: String,
    /// The client's password.
    password: String,
    /// The address from which the portal's customer comes, where the portal knows it: wrong tries are then counted for
    /// each address apart, and who guesses from one keeps nobody else out.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    client_ip: Option<String>,
}

/// Who was let in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthenticatedClient {
    id: i64,
    login: String,
    active: bool,
    language: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    client: AuthenticatedClient,
}

fn wait(seconds: u32) -> ApiError {
    let message = "too many wrong passwords; try again later";
    let mut error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", message);
    error.retry_after = Some(seconds);
    error
}

pub(super) struct ClientAuth;

impl Endpoint for ClientAuth {
    const NAME: &'static str = "client-auth";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Check a client's login and password";
    const CHANGES: Changes = Changes::Nothing;
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, body: Request) -> Result<Answer, ApiError> {
        if !fields::is_login(&body.login) {
            return Err(fields::invalid_credentials());
        }
        if body.password.len() > MAX_BYTES {
            return Err(ApiError::bad_field("password", format!("it has at most {MAX_BYTES} bytes")));
        }
        let from = match body.client_ip.as_deref().map(str::parse::<IpAddr>) {
            Some(Err(_)) => return Err(ApiError::bad_field("client_ip", "it is no IP address")),
            Some(Ok(address)) => Some(address.to_canonical()),
            None => None,
        };
        let (services, clock) = (call.services(), &*call.services().clock);
        let caller = call.hash_caller().for_address(from);
        let attempt = call.api.delays.begin(call.account.id, &body.login, from, clock).await.map_err(wait)?;
        let client = call.own_client(&body.login).ok();
        let right = portal::is_password_of(services, client.as_deref(), body.password, &caller).await?;
        let Some(client) = client.filter(|_| right) else {
            attempt.wrong(clock);
            return Err(fields::invalid_credentials());
        };
        attempt.right();
        let profile = services.store.profile(client.id).await?;
        let client = AuthenticatedClient {
            id: client.id,
            login: client.login.clone(),
            active: client.settings().active,
            language: profile.language,
        };
        Ok(Answer { client })
    }
}
