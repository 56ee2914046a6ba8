//! `GET ?endpoint=callerids`: the numbers that the account may present.

use serde::Serialize;
use utoipa::ToSchema;

use crate::accounts::callerids::{self, CalleridError};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{NoBody, ShortPage, cut};
use crate::api::rows::CalleridRow;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    data: Vec<CalleridRow>,
    limit: i64,
    offset: i64,
    total: i64,
}

pub(super) struct Callerids;

impl Endpoint for Callerids {
    const NAME: &'static str = "callerids";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Caller IDs";
    type Query = ShortPage;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, page: ShortPage, _: NoBody) -> Result<Answer, ApiError> {
        let presented = call.account.settings().callerid.clone();
        let listed = callerids::list(call.services(), call.account.id, presented.as_deref()).await?;
        let rows = listed.into_iter().map(CalleridRow::from).collect();
        let ShortPage { limit, offset } = page;
        let (data, total) = cut(rows, limit, offset);
        Ok(Answer { data, limit: limit.0, offset: offset.0, total })
    }
}

impl From<CalleridError> for ApiError {
    fn from(error: CalleridError) -> Self {
        let text = error.to_string();
        match error {
            CalleridError::Unknown(_) => Self::missing("cid", "caller ID"),
            CalleridError::Shape => Self::bad_field("cid", text),
            CalleridError::Name => Self::bad_field("name", text),
            CalleridError::Exists(_) => Self::conflict("exists", text).at("cid"),
            CalleridError::TooMany => Self::conflict("limit_reached", text),
            CalleridError::NotAllowed(_) => Self::refused("not_allowed", text).at("cid"),
            CalleridError::NotApproved(_) => Self::refused("not_approved", text).at("cid"),
            CalleridError::Store(error) => error.into(),
        }
    }
}
