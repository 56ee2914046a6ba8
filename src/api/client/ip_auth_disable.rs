//! `POST ?endpoint=ip-auth-disable`: an address speaks for nobody until it is enabled again; Asterisk forgets it at once.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::attempts::Guess;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::peers::claims;
use crate::peers::ops;
use crate::store::peers::PeerKind;

/// An authorization by its id.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    pub(super) id: i64,
}

/// The authorization's state.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SwitchedIpAuth {
    id: i64,
    status: u8,
    /// `active`, `disabled` or `pending`.
    state: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    message: &'static str,
    data: SwitchedIpAuth,
}

pub(super) struct IpAuthDisable;

impl Endpoint for IpAuthDisable {
    const NAME: &'static str = "ip-auth-disable";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Disable IP authorization";
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, Request { id }: Request) -> Result<Answer, ApiError> {
        let data = switch(&call, id, false).await?;
        Ok(Answer { message: "IP authentication disabled", data })
    }
}

/// Switches an own authorization on or off.
pub(super) async fn switch(call: &Call, id: i64, active: bool) -> Result<SwitchedIpAuth, ApiError> {
    let sip_login = sip_login_of(call, id).await?;
    let mut guess = None;
    if active {
        let now_ms = call.services().clock.monotonic_ms();
        guess = Some(call.api.attempts.turn(Guess::Address, call.account.id, now_ms).await?);
    }
    let switched = claims::set_address_active(call.services(), &sip_login, &id.to_string(), active).await;
    let peer = switched.inspect_err(|error| {
        if let Some(guess) = guess.as_mut().filter(|_| error.is_in_use()) {
            guess.failed();
        }
    })?;
    Ok(SwitchedIpAuth { id: peer.id, status: u8::from(peer.active && peer.approved), state: peer.state() })
}

/// The SIP account that an own authorization belongs to.
pub(super) async fn sip_login_of(call: &Call, id: i64) -> Result<String, ApiError> {
    let peers = ops::list(call.services(), &call.account.login, true).await?;
    let found = peers.into_iter().find(|peer| peer.kind == PeerKind::Ipa && peer.id == id);
    found.and_then(|peer| peer.sip_account).ok_or_else(|| ApiError::missing("id", "IP authorization"))
}
