//! `POST ?endpoint=ip-auth-create`: creates an IP authorization: calls from the address belong to the SIP account.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ip_auth_list::ClientIpAuth;
use crate::api::attempts::Guess;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;
use crate::peers::claims;
use crate::peers::ops::{self, PeerError};
use crate::store::peers::PeerKind;
use crate::store::peers::PeerRecord;

/// An IP authorization to create.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// SIP account.
    sip_login: String,
    /// Public IPv4 address.
    ip: String,
}

/// The created authorization.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CreatedIpAuth {
    /// SIP account.
    sip_login: String,
    #[serde(flatten)]
    ip_auth: ClientIpAuth,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// Result, as text for people.
    message: &'static str,
    /// The created authorization.
    data: CreatedIpAuth,
}

pub(super) struct IpAuthCreate;

impl Endpoint for IpAuthCreate {
    const NAME: &'static str = "ip-auth-create";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Create IP authorization";
    const REFUSALS: &[Refusal] =
        &[(404, "not_found"), (409, "ip_in_use"), (409, "limit_reached"), (429, "too_many_attempts")];
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, Request { sip_login, ip }: Request) -> Result<Answer, ApiError> {
        let missing = || ApiError::missing("sip_login", "SIP account");
        let peers = ops::list(call.services(), &call.account.login, true).await?;
        let is_it = |peer: &&PeerRecord| peer.kind == PeerKind::Sip && peer.name == sip_login;
        peers.iter().find(is_it).ok_or_else(missing)?;
        let is_own = peers.iter().any(|peer| peer.source.is_some_and(|source| source.to_string() == ip));
        let now_ms = call.services().clock.monotonic_ms();
        let mut guess = call.api.attempts.begin(Guess::Address, call.account.id, now_ms).await?;
        let made = claims::create_own_address(call.services(), call.account.id, &sip_login, &ip).await;
        let made = made.map_err(|error| match error {
            PeerError::UnknownSipAccount(_) => missing(),
            error => {
                if error.is_in_use() && !is_own {
                    guess.count_failure();
                }
                error.into()
            }
        })?;
        let data = CreatedIpAuth { sip_login, ip_auth: ClientIpAuth::from(&made) };
        Ok(Answer { message: "IP authentication created", data })
    }
}
