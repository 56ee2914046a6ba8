//! `GET ?endpoint=callerids`: the caller IDs of the account.

use crate::accounts::callerids::{self, CalleridError};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::paged::{List, Paged};
use crate::api::query::{NoBody, ShortPage};
use crate::api::rows::CalleridRow;

pub(super) struct Callerids;

impl List for Callerids {
    type Row = CalleridRow;
    const KEY: &'static str = "data";
    const DESCRIPTION: &'static str = "Caller IDs of the account.";
}

impl Endpoint for Callerids {
    const NAME: &'static str = "callerids";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Caller IDs";
    type Query = ShortPage;
    type Body = NoBody;
    type Answer = Paged<Self>;

    async fn handle(call: Call, page: ShortPage, _: NoBody) -> Result<Paged<Self>, ApiError> {
        let presented = call.account.settings().callerid.clone();
        let listed = callerids::list(call.services(), call.account.id, presented.as_deref()).await?;
        Ok(Paged::cut(listed, page.into(), CalleridRow::from))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_caller_ids_name_their_field() {
        let refused = |error| {
            let error = ApiError::from(error);
            (error.status.as_u16(), error.code, error.field)
        };
        let cid = Some("cid".to_owned());
        assert_eq!(refused(CalleridError::Unknown("1".to_owned())), (404, "not_found", cid.clone()));
        assert_eq!(refused(CalleridError::Shape), (400, "bad_request", cid.clone()));
        assert_eq!(refused(CalleridError::Name), (400, "bad_request", Some("name".to_owned())));
        assert_eq!(refused(CalleridError::NotApproved("1".to_owned())), (422, "not_approved", cid));
        assert_eq!(refused(CalleridError::TooMany), (409, "limit_reached", None));
    }
}
