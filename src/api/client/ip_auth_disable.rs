//! `POST ?endpoint=ip-auth-disable`: disables an IP authorization until it is enabled again; Asterisk removes the peer at once.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::attempts::Guess;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;
use crate::peers::claims;
use crate::peers::ops;
use crate::store::peers::PeerKind;

/// An IP authorization.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// Id of the authorization.
    pub(super) id: i64,
}

/// State of an IP authorization.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IpAuthState {
    /// Id of the authorization.
    id: i64,
    /// 1 where calls from the address are accepted, else 0.
    status: u8,
    /// `active`, `disabled` or `pending`.
    state: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// Result, as text for people.
    message: &'static str,
    /// State of the authorization.
    data: IpAuthState,
}

pub(super) struct IpAuthDisable;

impl Endpoint for IpAuthDisable {
    const NAME: &'static str = "ip-auth-disable";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Disable IP authorization";
    const REFUSALS: &[Refusal] = &[(404, "not_found")];
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, Request { id }: Request) -> Result<Answer, ApiError> {
        let data = set_active(&call, id, false).await?;
        Ok(Answer { message: "IP authentication disabled", data })
    }
}

/// Enables or disables an authorization of the account.
pub(super) async fn set_active(call: &Call, id: i64, active: bool) -> Result<IpAuthState, ApiError> {
    let sip_login = sip_login_of(call, id).await?;
    let mut guess = None;
    if active {
        let now_ms = call.services().clock.monotonic_ms();
        guess = Some(call.api.attempts.begin(Guess::Address, call.account.id, now_ms).await?);
    }
    let switched = claims::set_address_active(call.services(), &sip_login, &id.to_string(), active).await;
    let peer = switched.inspect_err(|error| {
        if let Some(guess) = guess.as_mut().filter(|_| error.is_in_use()) {
            guess.count_failure();
        }
    })?;
    Ok(IpAuthState { id: peer.id, status: u8::from(peer.active && peer.approved), state: peer.state() })
}

/// The SIP account of an authorization of the account.
pub(super) async fn sip_login_of(call: &Call, id: i64) -> Result<String, ApiError> {
    let peers = ops::list(call.services(), &call.account.login, true).await?;
    let found = peers.into_iter().find(|peer| peer.kind == PeerKind::Ipa && peer.id == id);
    found.and_then(|peer| peer.sip_account).ok_or_else(|| ApiError::missing("id", "IP authorization"))
}
