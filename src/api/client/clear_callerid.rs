//! `POST ?endpoint=clear-callerid`: no caller ID is active; calls present the number of the phone.

use super::done::DoneAnswer;
use crate::accounts::callerids;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{NoBody, NoQuery};

pub(super) struct ClearCallerid;

impl Endpoint for ClearCallerid {
    const NAME: &'static str = "clear-callerid";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Clear active SIP Caller ID";
    type Query = NoQuery;
    type Body = NoBody;
    type Answer = DoneAnswer;

    async fn handle(call: Call, _: NoQuery, _: NoBody) -> Result<DoneAnswer, ApiError> {
        callerids::clear(call.services(), call.account.id).await?;
        Ok(DoneAnswer { message: "Caller ID cleared" })
    }
}
