//! `GET ?endpoint=ip-auth-list`: the SIP accounts with their IP authorizations.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::paged::{List, Paged};
use crate::api::query::{NoBody, ShortPage};
use crate::peers::ops;
use crate::store::peers::PeerKind;
use crate::store::peers::PeerRecord;

/// The SIP port.
const SIP_PORT: u16 = 5060;

/// An IP authorization of a SIP account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientIpAuth {
    /// Id of the authorization.
    id: i64,
    /// Name of the peer in Asterisk.
    peer_name: String,
    /// IPv4 address.
    ip: String,
    /// SIP port.
    port: u16,
    /// 1 where calls from the address are accepted, else 0.
    status: u8,
    /// `active`, `disabled`, or `pending`: an approval or a proof is missing.
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

/// A SIP account and its IP authorizations.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientIpAuthGroup {
    /// SIP login.
    sip_login: String,
    /// Its IP authorizations.
    ip_auth: Vec<ClientIpAuth>,
}

pub(super) struct IpAuthList;

impl List for IpAuthList {
    type Row = ClientIpAuthGroup;
    const KEY: &'static str = "data";
    const DESCRIPTION: &'static str = "SIP accounts with their IP authorizations.";
}

impl Endpoint for IpAuthList {
    const NAME: &'static str = "ip-auth-list";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "List IP authorizations";
    type Query = ShortPage;
    type Body = NoBody;
    type Answer = Paged<Self>;

    async fn handle(call: Call, page: ShortPage, _: NoBody) -> Result<Paged<Self>, ApiError> {
        let peers = ops::list(call.services(), &call.account.login, true).await?;
        let addresses_of = |name: &str| {
            let of = peers.iter().filter(|peer| peer.sip_account.as_deref() == Some(name));
            of.map(ClientIpAuth::from).collect()
        };
        let sip_accounts = peers.iter().filter(|peer| peer.kind == PeerKind::Sip);
        Ok(Paged::cut(sip_accounts, page.into(), |peer| ClientIpAuthGroup {
            sip_login: peer.name.clone(),
            ip_auth: addresses_of(&peer.name),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use jiff::Timestamp;

    #[test]
    fn status_is_1_for_an_active_and_approved_address_only() {
        let shown = |active, approved| {
            let row = ClientIpAuth::from(&PeerRecord {
                id: 6,
                name: "100_ipa1".to_owned(),
                account_id: 1,
                kind: PeerKind::Ipa,
                main: false,
                active,
                approved,
                sip_account: Some("100".to_owned()),
                source: Some([203, 0, 113, 10].into()),
                number: Some(1),
                secret: None,
                created_at: Timestamp::UNIX_EPOCH,
                changed_at: Timestamp::UNIX_EPOCH,
            });
            assert_eq!((row.ip.as_str(), row.port), ("203.0.113.10", 5060));
            (row.status, row.state)
        };
        assert_eq!(shown(true, true), (1, "active"));
        assert_eq!(shown(true, false), (0, "pending"));
        assert_eq!(shown(false, true), (0, "disabled"));
    }
}
