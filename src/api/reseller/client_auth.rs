//! `POST ?endpoint=client-auth`: checks the login and password of one of the reseller's clients.
//!
//! An unknown login, another reseller's client, a client without a password and a wrong password get the same answer after
//! the same time, and the same delays.

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
use crate::api::refusals::Refusal;

/// Login and password of a client.
#[derive(Deserialize, ToSchema)]
pub(super) struct Request {
    /// Login of the client.
    login: String,
    /// Password of the client.
    password: String,
    /// Address of the portal's customer, where the portal knows it: wrong attempts are then counted by address,
    /// so that guessing from one address does not lock out the others.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    client_ip: Option<String>,
}

/// The authenticated client.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthenticatedClient {
    /// Id of the client.
    id: i64,
    /// Login of the client.
    login: String,
    /// True where the client is enabled.
    active: bool,
    /// Language of the client; null where unset.
    language: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// The authenticated client.
    client: AuthenticatedClient,
}

/// The address of the portal's customer; IPv4 in IPv6 notation counts as IPv4.
fn parse_client_ip(text: Option<&str>) -> Result<Option<IpAddr>, ApiError> {
    let address = text.map(str::parse::<IpAddr>).transpose();
    let address = address.map_err(|_| ApiError::bad_field("client_ip", "it is not an IP address"))?;
    Ok(address.map(|address| address.to_canonical()))
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
    const REFUSALS: &[Refusal] = &[(401, "invalid_credentials"), (429, "too_many_attempts")];
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
        let from = parse_client_ip(body.client_ip.as_deref())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_ip_is_an_address_of_either_version() {
        let parsed = |text| parse_client_ip(text).map(|address| address.map(|address| address.to_string()));
        assert_eq!(parsed(None), Ok(None));
        assert_eq!(parsed(Some("::ffff:192.0.2.1")), Ok(Some("192.0.2.1".to_owned())));
        assert_eq!(parsed(Some("2001:db8::1")), Ok(Some("2001:db8::1".to_owned())));
        assert_eq!(parsed(Some("192.0.2")).unwrap_err().field.as_deref(), Some("client_ip"));
    }

    #[test]
    fn a_delay_is_429_with_retry_after() {
        assert_eq!((wait(7).status.as_u16(), wait(7).retry_after), (429, Some(7)));
    }
}
