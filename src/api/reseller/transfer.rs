//! `POST ?endpoint=transfer`: retail credit for a client. The reseller's own balance is left alone; it pays for calls.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fields;
use crate::accounts::transfers::{self, TransferError, TransferOrder, TransferRefusal};
use crate::api::amount::{Amount, Num};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::store::transfers::{TransferEnd, TransferRecord};

#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// The client's login.
    login: String,
    /// How much, above zero, at most 1000000, at most 6 decimals.
    amount: Amount,
    /// The reseller's own name for it, unique for ever: the same request again is answered as the first time.
    external_id: String,
}

/// A transfer, made or refused.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResellerTransaction {
    id: i64,
    login: String,
    amount: Num,
    external_id: String,
    /// `success` or `failed`.
    status: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What the client had after it; null where it failed.
    client_balance: Option<Num>,
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
            created_at: fields::time(transfer.created_at),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
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
