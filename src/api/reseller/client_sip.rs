//! `GET ?endpoint=client-sip`: the SIP accounts of a client, without their passwords.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::paged::{List, Paged, cut};
use crate::api::query::{Limit, NoBody, Offset, Page};
use crate::api::refusals::Refusal;
use crate::peers::{ops, registrations};
use crate::store::peers::PeerKind;
use crate::store::peers::PeerRecord;

/// A page of the SIP accounts of a client.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// Login of the client.
    login: String,
    /// `1` to include IP peers and web phones.
    #[serde(default)]
    include_service: Option<String>,
    /// Maximum number of rows, at most 200, which is the default.
    #[serde(default = "Limit::most")]
    #[param(value_type = Option<i64>, minimum = 1)]
    limit: Limit,
    /// Number of rows to skip.
    #[serde(default)]
    #[param(value_type = Option<i64>, minimum = 0)]
    offset: Offset,
}

/// A SIP account.
#[expect(clippy::struct_excessive_bools, reason = "the published answer")]
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PortalSipAccount {
    /// SIP login.
    name: String,
    /// True for the main SIP account.
    main: bool,
    /// True where it is enabled.
    active: bool,
    /// True for an IP peer or a web phone.
    service: bool,
    /// True where a phone is registered; false where that is unknown.
    registered: bool,
}

pub(super) struct ClientSip;

/// Reads `include_service`.
fn includes_service(text: Option<&str>) -> Result<bool, ApiError> {
    match text {
        None | Some("" | "0") => Ok(false),
        Some("1") => Ok(true),
        Some(_) => Err(ApiError::bad_field("include_service", "it must be 0 or 1")),
    }
}

impl List for ClientSip {
    type Row = PortalSipAccount;
    const KEY: &'static str = "sip_accounts";
    const DESCRIPTION: &'static str = "SIP accounts, the main one first.";
}

impl Endpoint for ClientSip {
    const NAME: &'static str = "client-sip";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "List a client's SIP accounts";
    const REFUSALS: &[Refusal] = &[(404, "not_found")];
    type Query = Query;
    type Body = NoBody;
    type Answer = Paged<Self>;

    async fn handle(call: Call, query: Query, _: NoBody) -> Result<Paged<Self>, ApiError> {
        let service = includes_service(query.include_service.as_deref())?;
        let client = call.own_client(&query.login)?;
        let peers = ops::list(call.services(), &client.login, service).await?;
        let page = Page::new(query.limit, query.offset);
        let (peers, total) = cut(peers, page);
        let with_password = peers.iter().filter(|peer| peer.kind.has_password());
        let names: Vec<&str> = with_password.map(|peer| peer.name.as_str()).collect();
        let registered = registrations::known_registered(call.services().links.get(), &names).await;
        let row = |peer: PeerRecord| PortalSipAccount {
            registered: registered.contains(&peer.name),
            name: peer.name,
            main: peer.main,
            active: peer.active,
            service: peer.kind != PeerKind::Sip,
        };
        Ok(Paged::new(peers.into_iter().map(row), page, total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_accounts_are_included_on_request_only() {
        for (text, included) in [(None, false), (Some(""), false), (Some("0"), false), (Some("1"), true)] {
            assert_eq!(includes_service(text), Ok(included), "{text:?}");
        }
        assert_eq!(includes_service(Some("yes")).unwrap_err().field.as_deref(), Some("include_service"));
    }
}
