//! `POST ?endpoint=delete-callerid`: deletes a caller ID; where it was active, none is active.

use serde::Deserialize;
use utoipa::ToSchema;

use super::done::DoneAnswer;
use crate::accounts::callerids::{self, CalleridError};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;

/// The caller ID to delete.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// Id of the caller ID.
    id: i64,
}

pub(super) struct DeleteCallerid;

impl Endpoint for DeleteCallerid {
    const NAME: &'static str = "delete-callerid";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Delete Caller ID";
    const REFUSALS: &[Refusal] = &[(404, "not_found")];
    type Query = NoQuery;
    type Body = Request;
    type Answer = DoneAnswer;

    async fn handle(call: Call, _: NoQuery, Request { id }: Request) -> Result<DoneAnswer, ApiError> {
        let deleted = callerids::delete(call.services(), call.account.id, id).await;
        deleted.map_err(|error| match error {
            CalleridError::Unknown(_) => ApiError::missing("id", "caller ID"),
            error => error.into(),
        })?;
        Ok(DoneAnswer { message: "Caller ID deleted" })
    }
}
