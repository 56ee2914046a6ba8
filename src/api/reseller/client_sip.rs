//! `GET ?endpoint=client-sip`: a client's SIP accounts, without their passwords.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{Limit, MAX_LIMIT, NoBody, Offset};
use crate::peers::{ops, registrations};
use crate::store::peers::PeerKind;
use crate::store::peers::PeerRecord;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// The client's login.
    login: String,
    /// `1`: IP peers and web phones too.
    #[serde(default)]
    include_service: Option<String>,
    /// How many rows; 200, all that a client can have without its service accounts, unless told.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 1)]
    limit: Option<Limit>,
    /// How many are left out.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0)]
    offset: Offset,
}

/// A SIP account.
#[expect(clippy::struct_excessive_bools, reason = "the published answer")]
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PortalSipAccount {
    name: String,
    main: bool,
    active: bool,
    /// Whether it is an IP peer or a web phone.
    service: bool,
    /// Whether somebody is registered as it; false where that cannot be told at the moment.
    registered: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    sip_accounts: Vec<PortalSipAccount>,
    limit: i64,
    offset: i64,
    total: i64,
}

pub(super) struct ClientSip;

impl Endpoint for ClientSip {
    const NAME: &'static str = "client-sip";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "A client's SIP accounts";
    type Query = Query;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, query: Query, _: NoBody) -> Result<Answer, ApiError> {
        let service = match query.include_service.as_deref() {
            None | Some("" | "0") => false,
            Some("1") => true,
            Some(_) => return Err(ApiError::bad_field("include_service", "it must be 0 or 1")),
        };
        let client = call.own_client(&query.login)?;
        let (limit, offset) = (query.limit.map_or(MAX_LIMIT, |limit| limit.0), query.offset.0);
        let peers = ops::list(call.services(), &client.login, service).await?;
        let total = i64::try_from(peers.len()).unwrap_or(i64::MAX);
        let counted = |count: i64| usize::try_from(count).unwrap_or(usize::MAX);
        let page: Vec<PeerRecord> = peers.into_iter().skip(counted(offset)).take(counted(limit)).collect();
        let with_password = page.iter().filter(|peer| peer.kind.has_password());
        let names: Vec<&str> = with_password.map(|peer| peer.name.as_str()).collect();
        let registered = registrations::known_registered(call.services().links.get(), &names).await;
        let row = |peer: PeerRecord| PortalSipAccount {
            registered: registered.contains(&peer.name),
            name: peer.name,
            main: peer.main,
            active: peer.active,
            service: peer.kind != PeerKind::Sip,
        };
        Ok(Answer { sip_accounts: page.into_iter().map(row).collect(), limit, offset, total })
    }
}
