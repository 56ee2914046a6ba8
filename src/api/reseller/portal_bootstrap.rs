//! `GET ?endpoint=portal-bootstrap`: what a portal asks first: which API this is, and what it can offer.

use serde::Serialize;
use utoipa::ToSchema;

use super::fields;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{NoBody, NoQuery};

/// The version of the published API.
const API_VERSION: &str = "1";

/// What can be offered to clients.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PortalFeatures {
    sms: bool,
    esim: bool,
    web_phone: bool,
}

/// The API as a portal sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Portal {
    api_version: &'static str,
    currency: String,
    time: String,
    features: PortalFeatures,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    portal: Portal,
}

pub(super) struct PortalBootstrap;

impl Endpoint for PortalBootstrap {
    const NAME: &'static str = "portal-bootstrap";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "What a portal can offer";
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
            time: fields::time(services.clock.now()),
            features: PortalFeatures { sms, esim: services.config.esim.is_on(), web_phone },
        };
        Ok(Answer { portal })
    }
}
