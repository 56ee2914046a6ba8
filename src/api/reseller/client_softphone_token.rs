//! `POST ?endpoint=client-softphone-token`: credentials that make a browser a phone of a client for a limited time.

use jiff::SignedDuration;
use serde::Serialize;
use utoipa::ToSchema;

use super::fields::ClientNamed;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;
use crate::api::rows::stamp;
use crate::peers::{ops, webphone};
use crate::sip::digest::Ha1;

/// A STUN or TURN server.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SoftphoneIceServer {
    /// URL of the server.
    urls: String,
}

/// The Janus gateway.
#[derive(Serialize, ToSchema)]
pub(super) struct SoftphoneJanus {
    /// URL of the gateway.
    server: String,
    /// Token that every request to the gateway must carry; it expires with the softphone.
    token: String,
    /// Name of the SIP plugin.
    plugin: &'static str,
    /// STUN and TURN servers.
    ice_servers: Vec<SoftphoneIceServer>,
}

/// SIP credentials for the gateway.
#[derive(Serialize, ToSchema)]
pub(super) struct SoftphoneSip {
    /// SIP user; `register` of the plugin takes it as `sip:<username>@<host of proxy>`.
    username: String,
    /// User of the digest authentication.
    authuser: String,
    /// Display name.
    display_name: String,
    /// Registrar, as `sip:host:port`.
    proxy: String,
    /// HA1 of the digest authentication, valid until the next token is issued.
    ha1_secret: String,
    /// Registration interval, in seconds.
    register_ttl: u32,
}

/// A softphone.
#[derive(Serialize, ToSchema)]
pub(super) struct Softphone {
    /// Login of the client.
    login: String,
    /// Expiry, UTC.
    expires_at: String,
    /// Seconds until the expiry.
    expires_in: u32,
    /// The Janus gateway.
    janus: SoftphoneJanus,
    /// SIP credentials.
    sip: SoftphoneSip,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Answer {
    /// The softphone.
    softphone: Softphone,
}

pub(super) struct ClientSoftphoneToken;

impl Endpoint for ClientSoftphoneToken {
    const NAME: &'static str = "client-softphone-token";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Issue credentials for a client's web phone";
    const REFUSALS: &[Refusal] = &[(404, "not_found"), (422, "inactive"), (422, "web_phone_off")];
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
            return Err(ApiError::refused("inactive", "the client is disabled"));
        }
        let web = ops::rotate_web_secret(services, &client.login).await?;
        let until = services.clock.now() + SignedDuration::from_secs(i64::from(settings.token_seconds));
        let urls = |urls: &String| SoftphoneIceServer { urls: urls.clone() };
        let softphone = Softphone {
            login: client.login.clone(),
            expires_at: stamp(until),
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
