//! `POST ?endpoint=client-softphone-token`: what a browser needs to be a phone of a client for a while.

use jiff::SignedDuration;
use serde::Serialize;
use utoipa::ToSchema;

use super::fields::{self, ClientNamed};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::peers::{ops, webphone};
use crate::sip::digest::Ha1;

/// A STUN or TURN server.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SoftphoneIceServer {
    urls: String,
}

/// The gateway.
#[derive(Serialize, ToSchema)]
pub(super) struct SoftphoneJanus {
    server: String,
    /// Opens the plugin until the softphone expires; every request to the gateway shows it.
    token: String,
    plugin: &'static str,
    ice_servers: Vec<SoftphoneIceServer>,
}

/// What the gateway registers with.
#[derive(Serialize, ToSchema)]
pub(super) struct SoftphoneSip {
    /// The plugin's `register` takes it as `sip:<username>@<host of proxy>`.
    username: String,
    authuser: String,
    display_name: String,
    /// Where the gateway registers, as `sip:host:port`.
    proxy: String,
    /// Holds until the next token is given.
    ha1_secret: String,
    register_ttl: u32,
}

/// A browser's phone.
#[derive(Serialize, ToSchema)]
pub(super) struct Softphone {
    login: String,
    expires_at: String,
    /// Seconds.
    expires_in: u32,
    janus: SoftphoneJanus,
    sip: SoftphoneSip,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Answer {
    softphone: Softphone,
}

pub(super) struct ClientSoftphoneToken;

impl Endpoint for ClientSoftphoneToken {
    const NAME: &'static str = "client-softphone-token";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Let a browser be a client's phone for a while";
    type Query = NoQuery;
    type Body = ClientNamed;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, body: ClientNamed) -> Result<Answer, ApiError> {
        let client = call.own_client(&body.login)?;
        let (services, settings) = (call.services(), &call.services().config.webphone);
        let (Some(server), Some(secret), Some(proxy)) =
            (&settings.janus_url, &settings.janus_secret, &settings.sip_proxy)
        else {
            return Err(ApiError::refused("web_phone_off", "web phones are not set up here"));
        };
        if !client.may_call() {
            return Err(ApiError::refused("inactive", "the client is switched off"));
        }
        let web = ops::rotate_web_secret(services, &client.login).await?;
        let until = services.clock.now() + SignedDuration::from_secs(i64::from(settings.token_seconds));
        let urls = |urls: &String| SoftphoneIceServer { urls: urls.clone() };
        let softphone = Softphone {
            login: client.login.clone(),
            expires_at: fields::time(until),
            expires_in: settings.token_seconds,
            janus: SoftphoneJanus {
                server: server.clone(),
                token: webphone::janus_token(secret.reveal(), until),
                plugin: webphone::SIP_PLUGIN,
                ice_servers: settings.ice_servers.iter().map(urls).collect(),
            },
            sip: SoftphoneSip {
                ha1_secret: Ha1::of(&web.peer.name, &services.config.sip.realm, &web.password).hex(),
                username: web.peer.name.clone(),
                authuser: web.peer.name,
                display_name: client.login.clone(),
                proxy: proxy.clone(),
                register_ttl: settings.register_seconds,
            },
        };
        Ok(Answer { softphone })
    }
}
