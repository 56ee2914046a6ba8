//! `POST ?endpoint=add-callerid`: a further number to present.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::accounts::callerids;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::rows::CalleridRow;

#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    cid: String,
    #[serde(default)]
    name: Option<String>,
    /// Whether the next call presents it.
    #[serde(default)]
    set_active: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    message: &'static str,
    data: CalleridRow,
}

pub(super) struct AddCallerid;

impl Endpoint for AddCallerid {
    const NAME: &'static str = "add-callerid";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Add Caller ID";
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, body: Request) -> Result<Answer, ApiError> {
        let Request { cid, name, set_active } = body;
        let added =
            callerids::add(call.services(), call.account.id, &cid, &name.unwrap_or_default(), set_active)
                .await?;
        let message = if added.callerid.approved {
            "Caller ID added"
        } else {
            "Caller ID added; it waits for approval"
        };
        Ok(Answer { message, data: added.into() })
    }
}
