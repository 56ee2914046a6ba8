//! `GET ?endpoint=sip`: the SIP accounts of the account with their passwords.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::paged::{List, Paged, cut};
use crate::api::query::{NoBody, ShortPage};
use crate::peers::ops::{self, PeerError};
use crate::peers::registrations;
use crate::sip::digest;

/// A SIP account.
#[derive(Serialize, ToSchema)]
pub(super) struct ClientSipAccount {
    /// SIP login.
    name: String,
    /// SIP password; null where none is kept.
    password: Option<String>,
    /// True for the main SIP account, which cannot be deleted.
    main: bool,
    /// 1 where it is enabled, else 0.
    active: u8,
    /// Active caller ID of the account; null where none is active.
    callerid: Option<String>,
    /// True where a phone is registered.
    registered: bool,
}

impl std::fmt::Debug for ClientSipAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientSipAccount").field("name", &self.name).finish_non_exhaustive()
    }
}

pub(super) struct Sip;

impl List for Sip {
    type Row = ClientSipAccount;
    const KEY: &'static str = "data";
    const DESCRIPTION: &'static str = "SIP accounts, the main one first.";
}

impl Endpoint for Sip {
    const NAME: &'static str = "sip";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "SIP accounts";
    type Query = ShortPage;
    type Body = NoBody;
    type Answer = Paged<Self>;

    async fn handle(call: Call, page: ShortPage, _: NoBody) -> Result<Paged<Self>, ApiError> {
        let services = call.services();
        let peers = ops::list(services, &call.account.login, false).await?;
        let page = page.into();
        let (peers, total) = cut(peers, page);
        let names: Vec<&str> = peers.iter().map(|peer| peer.name.as_str()).collect();
        let registered = registrations::known_registered(services.links.get(), &names).await;
        let callerid = call.account.settings().callerid.clone();
        let secrets = services.secrets.load();
        let mut data = Vec::with_capacity(peers.len());
        for peer in &peers {
            let opened = peer.secret.as_ref().map(|sealed| digest::open(&secrets, &peer.name, sealed));
            data.push(ClientSipAccount {
                name: peer.name.clone(),
                password: opened.transpose().map_err(PeerError::from)?,
                main: peer.main,
                active: u8::from(peer.active),
                callerid: callerid.clone(),
                registered: registered.contains(&peer.name),
            });
        }
        Ok(Paged::new(data, page, total))
    }
}
