//! `POST ?endpoint=reset-client-sip-password`: sets a random password for a SIP account of a client and returns it, this once.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::fields::{ClientNamed, SipWithPassword};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;
use crate::directory::Account;
use crate::peers::ops;
use crate::store::accounts::Kind;
use crate::store::peers::PeerKind;

#[derive(Serialize, ToSchema)]
pub(super) struct Answer {
    /// The SIP account with its new password.
    sip: SipWithPassword,
}

/// The reseller's client with a SIP account of this name; the main SIP account has the name of the client's login. Service
/// accounts are not found.
fn owner(call: &Call, name: &str) -> Result<Arc<Account>, ApiError> {
    let peer = call.api.calls.directory.peer(name).filter(|peer| peer.kind == PeerKind::Sip);
    peer.map(|peer| peer.account)
        .filter(|account| account.kind == Kind::Client)
        .filter(|account| account.parent().is_some_and(|above| above.id == call.account.id))
        .ok_or_else(|| ApiError::missing("login", "client"))
}

pub(super) struct ResetClientSipPassword;

impl Endpoint for ResetClientSipPassword {
    const NAME: &'static str = "reset-client-sip-password";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Reset the password of a client's SIP account";
    const REFUSALS: &[Refusal] = &[(404, "not_found")];
    type Query = NoQuery;
    type Body = ClientNamed;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, body: ClientNamed) -> Result<Answer, ApiError> {
        let client = owner(&call, &body.login)?;
        let changed = ops::set_password(call.services(), &client.login, &body.login, None).await?;
        Ok(Answer { sip: SipWithPassword { login: changed.peer.name, password: changed.password } })
    }
}
