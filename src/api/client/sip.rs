//! `GET ?endpoint=sip`: the account's SIP accounts with their passwords.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{NoBody, ShortPage, cut};
use crate::peers::ops::{self, PeerError};
use crate::peers::registrations;
use crate::sip::digest;

/// A SIP account.
#[derive(Serialize, ToSchema)]
pub(super) struct ClientSipAccount {
    name: String,
    password: Option<String>,
    main: bool,
    active: u8,
    callerid: Option<String>,
    registered: bool,
}

impl std::fmt::Debug for ClientSipAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientSipAccount").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    data: Vec<ClientSipAccount>,
    limit: i64,
    offset: i64,
    total: i64,
}

pub(super) struct Sip;

impl Endpoint for Sip {
    const NAME: &'static str = "sip";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "SIP accounts";
    type Query = ShortPage;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, page: ShortPage, _: NoBody) -> Result<Answer, ApiError> {
        let services = call.services();
        let ShortPage { limit, offset } = page;
        let peers = ops::list(services, &call.account.login, false).await?;
        let (peers, total) = cut(peers, limit, offset);
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
        Ok(Answer { data, limit: limit.0, offset: offset.0, total })
    }
}
