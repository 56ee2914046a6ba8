//! `GET ?endpoint=portal-bootstrap`: version of the API, currency and features, for the start of a portal.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{NoBody, NoQuery};
use crate::api::rows::stamp;

/// The version of the published API.
const API_VERSION: &str = "1";

/// Available features.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PortalFeatures {
    /// True where messages can be sent.
    sms: bool,
    /// True where eSIMs are sold.
    esim: bool,
    /// True where web phones are set up.
    web_phone: bool,
}

/// The API as a portal sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Portal {
    /// Version of the published API.
    api_version: &'static str,
    /// Currency, ISO 4217.
    currency: String,
    /// Present time, UTC.
    time: String,
    /// Available features.
    features: PortalFeatures,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// The API as a portal sees it.
    portal: Portal,
}

pub(super) struct PortalBootstrap;

impl Endpoint for PortalBootstrap {
    const NAME: &'static str = "portal-bootstrap";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "API version and features for a portal";
    type Query = NoQuery;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, _: NoBody) -> Result<Answer, ApiError> {
        let services = call.services();
        let sms = call.api.messaging.providers().default_provider().is_some();
        let web_phone = services.config.webphone.janus_url.is_some();
        let portal = Portal {
            api_version: API_VERSION,
            currency: services.currency().to_owned(),
            time: stamp(services.clock.now()),
            features: PortalFeatures { sms, esim: services.config.esim.is_on(), web_phone },
        };
        Ok(Answer { portal })
    }
}
