//! `GET ?endpoint=ip-auth-list`: the SIP accounts with the addresses that speak for them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{NoBody, ShortPage, cut};
use crate::peers::ops;
use crate::store::peers::PeerKind;
use crate::store::peers::PeerRecord;

/// SIP comes to this port.
const SIP_PORT: u16 = 5060;

/// An address that speaks for a SIP account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientIpAuth {
    id: i64,
    peer_name: String,
    ip: String,
    port: u16,
    /// 1 where calls from the address are taken.
    status: u8,
    /// `active`, `disabled`, or `pending`: the operator or a proof is waited for.
    state: &'static str,
}

impl From<&PeerRecord> for ClientIpAuth {
    fn from(peer: &PeerRecord) -> Self {
        Self {
            id: peer.id,
            peer_name: peer.name.clone(),
            ip: peer.source.map(|ip| ip.to_string()).unwrap_or_default(),
            port: SIP_PORT,
            status: u8::from(peer.active && peer.approved),
            state: peer.state(),
        }
    }
}

/// A SIP account and its addresses.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientIpAuthGroup {
    sip_login: String,
    ip_auth: Vec<ClientIpAuth>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    data: Vec<ClientIpAuthGroup>,
    limit: i64,
    offset: i64,
    total: i64,
}

pub(super) struct IpAuthList;

impl Endpoint for IpAuthList {
    const NAME: &'static str = "ip-auth-list";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "List IP authorizations";
    type Query = ShortPage;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, page: ShortPage, _: NoBody) -> Result<Answer, ApiError> {
        let peers = ops::list(call.services(), &call.account.login, true).await?;
        let addresses_of = |name: &str| {
            let of = peers.iter().filter(|peer| peer.sip_account.as_deref() == Some(name));
            of.map(ClientIpAuth::from).collect()
        };
        let groups = peers.iter().filter(|peer| peer.kind == PeerKind::Sip).map(|peer| ClientIpAuthGroup {
            sip_login: peer.name.clone(),
            ip_auth: addresses_of(&peer.name),
        });
        let ShortPage { limit, offset } = page;
        let (data, total) = cut(groups.collect(), limit, offset);
        Ok(Answer { data, limit: limit.0, offset: offset.0, total })
    }
}
