//! `POST ?endpoint=transfer`: credits a client's retail balance. The reseller is not charged; it pays for calls.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fields;
use crate::accounts::transfers::{self, TransferError, TransferOrder, TransferRefusal};
use crate::api::amount::{Amount, Num};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;
use crate::api::rows::stamp;
use crate::store::transfers::{TransferEnd, TransferRecord};

/// A transfer to a client.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// Login of the client.
    login: String,
    /// Amount, above zero, at most 1000000, at most 6 decimals.
    amount: Amount,
    /// Id of the transfer at the reseller, unique for ever: a repeated request gets the first answer.
    external_id: String,
}

/// A transfer, made or refused.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResellerTransaction {
    /// Id of the transfer.
    id: i64,
    /// Login of the client.
    login: String,
    /// Amount.
    amount: Num,
    /// Id of the transfer at the reseller.
    external_id: String,
    /// `success` or `failed`.
    status: &'static str,
    /// Reason of a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Balance of the client after the transfer; null where it failed.
    client_balance: Option<Num>,
    /// Time of the transfer, UTC.
    created_at: String,
}

impl From<TransferRecord> for ResellerTransaction {
    fn from(transfer: TransferRecord) -> Self {
        let (status, reason, client_balance) = match transfer.end {
            TransferEnd::Success { client_balance } => ("success", None, Some(Num(client_balance))),
            TransferEnd::Failed { reason } => ("failed", Some(reason), None),
        };
        Self {
            id: transfer.id,
            login: transfer.login,
            amount: Num(transfer.amount),
            external_id: transfer.external_id,
            status,
            reason,
            client_balance,
            created_at: stamp(transfer.created_at),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// The transfer.
    transaction: ResellerTransaction,
}

impl From<TransferRefusal> for ApiError {
    fn from(refusal: TransferRefusal) -> Self {
        match refusal {
            TransferRefusal::UnknownClient => Self::missing("login", "client"),
            TransferRefusal::ExternalId(error) => Self::bad_field("external_id", error),
            TransferRefusal::Amount(error) => Self::bad_field("amount", error),
            TransferRefusal::ExternalIdTaken => {
                Self::conflict("external_id_taken", refusal.to_string()).at("external_id")
            }
            TransferRefusal::TooLarge => fields::too_large(),
        }
    }
}

pub(super) struct Transfer;

impl Endpoint for Transfer {
    const NAME: &'static str = "transfer";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Credit a client's retail balance";
    const REFUSALS: &[Refusal] = &[(404, "not_found"), (409, "external_id_taken"), (422, "too_large")];
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, body: Request) -> Result<Answer, ApiError> {
        fields::check_external_id(&body.external_id)?;
        fields::check_login(&body.login)?;
        let client = call.own_client(&body.login).ok();
        let order = TransferOrder {
            reseller_id: call.account.id,
            login: body.login,
            amount: body.amount.0,
            external_id: body.external_id,
        };
        match transfers::transfer(call.services(), &order, client.as_deref()).await {
            Ok(record) => Ok(Answer { transaction: record.into() }),
            Err(TransferError::Services(error)) => Err(error.into()),
            Err(TransferError::Refused(refusal)) => {
                if !matches!(refusal, TransferRefusal::ExternalId(_))
                    && call.api.limits.keeps_failure_of(call.account.id)
                    && let Err(error) = transfers::keep_refused(call.services(), &order, refusal).await
                {
                    tracing::warn!(%error, "a refused transfer is not among its reseller's transactions");
                }
                Err(refusal.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_transfer_has_a_reason_and_no_balance() {
        let shown = |end| {
            let row = ResellerTransaction::from(TransferRecord {
                id: 1,
                reseller_id: 2,
                external_id: "a".to_owned(),
                login: "1001".to_owned(),
                amount: "1.25".parse().unwrap(),
                end,
                created_at: "2026-05-09T21:00:00.5Z".parse().unwrap(),
            });
            serde_json::to_value(row).unwrap()
        };
        let failed = shown(TransferEnd::Failed { reason: "too_large".to_owned() });
        assert_eq!((&failed["status"], &failed["reason"]), (&"failed".into(), &"too_large".into()));
        assert!(failed["client_balance"].is_null());
        let made = shown(TransferEnd::Success { client_balance: "3".parse().unwrap() });
        assert_eq!((&made["status"], &made["client_balance"]), (&"success".into(), &3.into()));
        assert!(made.get("reason").is_none());
    }

    #[test]
    fn a_reused_external_id_is_409_and_an_unknown_client_404() {
        assert_eq!(ApiError::from(TransferRefusal::ExternalIdTaken).status, 409);
        assert_eq!(ApiError::from(TransferRefusal::UnknownClient).status, 404);
    }
}
