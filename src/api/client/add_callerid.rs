//! `POST ?endpoint=add-callerid`: adds a caller ID.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::accounts::callerids;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;
use crate::api::rows::CalleridRow;

/// A caller ID to add.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// Number: `+` and 7 to 15 digits, country code first.
    cid: String,
    /// Name for people, at most 64 characters.
    #[serde(default)]
    name: Option<String>,
    /// True to present it from the next call on.
    #[serde(default)]
    set_active: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// Result, as text for people.
    message: &'static str,
    /// The caller ID.
    data: CalleridRow,
}

pub(super) struct AddCallerid;

impl Endpoint for AddCallerid {
    const NAME: &'static str = "add-callerid";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Add Caller ID";
    const REFUSALS: &[Refusal] =
        &[(409, "exists"), (409, "limit_reached"), (422, "not_allowed"), (422, "not_approved")];
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
