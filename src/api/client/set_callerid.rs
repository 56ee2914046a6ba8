//! `POST ?endpoint=set-callerid`: presents a caller ID from the next call on.

use serde::Deserialize;
use utoipa::ToSchema;

use super::done::DoneAnswer;
use crate::accounts::callerids;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;

/// The caller ID to present.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// Number of one of the caller IDs of the account.
    cid: String,
}

pub(super) struct SetCallerid;

impl Endpoint for SetCallerid {
    const NAME: &'static str = "set-callerid";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Set existing Caller ID as active";
    const REFUSALS: &[Refusal] = &[(404, "not_found"), (422, "not_allowed"), (422, "not_approved")];
    type Query = NoQuery;
    type Body = Request;
    type Answer = DoneAnswer;

    async fn handle(call: Call, _: NoQuery, Request { cid }: Request) -> Result<DoneAnswer, ApiError> {
        callerids::activate(call.services(), call.account.id, &cid).await?;
        Ok(DoneAnswer { message: "Caller ID set" })
    }
}
