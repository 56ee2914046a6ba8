//! `POST ?endpoint=register-agent-payment`: what a payment provider told the reseller's portal. Paid ones are credited to
//! the client, once.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fields;
use crate::accounts::payments::{self, PaymentError, PaymentRefusal, PaymentTold};
use crate::api::amount::{Amount, Num};
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;

/// The longest name of a provider, and the longest status.
const MAX_WORD_CHARS: usize = 32;
/// The longest name that a provider gives a payment.
const MAX_TXID_CHARS: usize = 128;

#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// The client's login.
    login: String,
    /// How much, above zero, at most 1000000, at most 6 decimals.
    amount: Amount,
    /// The currency of the accounts.
    currency: String,
    /// Who took the payment: letters a to z, digits, `_`, `-`.
    provider: String,
    /// The portal's own name for it, unique for ever.
    external_id: String,
    /// The provider's name for it, once it is known.
    #[serde(default)]
    provider_txid: Option<String>,
    /// The provider's word: `paid`, `completed` and `paid_over` credit the client, every other is recorded.
    status: String,
}

/// A payment as it is known now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentPayment {
    id: i64,
    login: String,
    amount: Num,
    currency: String,
    provider: String,
    external_id: String,
    /// Empty where it is not known.
    provider_txid: String,
    status: String,
    credited: bool,
    /// What the client had after the credit, or has now where there was none.
    client_balance: Num,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    payment: AgentPayment,
}

impl From<PaymentRefusal> for ApiError {
    fn from(refusal: PaymentRefusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            PaymentRefusal::ExternalId(error) => Self::bad_field("external_id", error),
            PaymentRefusal::ProviderTxid(error) => Self::bad_field("provider_txid", error),
            PaymentRefusal::Amount(error) => Self::bad_field("amount", error),
            PaymentRefusal::WrongCurrency => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong_currency", text).at("currency")
            }
            PaymentRefusal::ExternalIdTaken => Self::conflict("external_id_taken", text).at("external_id"),
            PaymentRefusal::ProviderTxidTaken => {
                Self::conflict("provider_txid_taken", text).at("provider_txid")
            }
            PaymentRefusal::AlreadyCredited => Self::conflict("already_credited", text).at("status"),
            PaymentRefusal::TooManyOpen { .. } => Self::conflict("too_many_open_payments", text),
            PaymentRefusal::TooLarge => fields::too_large(),
        }
    }
}

impl From<PaymentError> for ApiError {
    fn from(error: PaymentError) -> Self {
        match error {
            PaymentError::Refused(refusal) => refusal.into(),
            PaymentError::Services(error) => error.into(),
        }
    }
}

/// Checks the shape of everything that is kept as it was written.
fn check(body: &Request) -> Result<(), ApiError> {
    fields::check_external_id(&body.external_id)?;
    let is_word = |text: &str, more: &[u8]| {
        let fits = (1..=MAX_WORD_CHARS).contains(&text.len());
        fits && text.bytes().all(|b| b.is_ascii_lowercase() || more.contains(&b))
    };
    if !is_word(&body.provider, b"0123456789_-") {
        let reason = format!("it must be 1 to {MAX_WORD_CHARS} of a to z, digits, '_' and '-'");
        return Err(ApiError::bad_field("provider", reason));
    }
    if !is_word(&body.status, b"_") {
        let reason = format!("it must be 1 to {MAX_WORD_CHARS} of a to z and '_'");
        return Err(ApiError::bad_field("status", reason));
    }
    let txid = body.provider_txid.as_deref().unwrap_or_default();
    if txid.chars().count() > MAX_TXID_CHARS || txid.chars().any(char::is_control) {
        let reason = format!("it must be at most {MAX_TXID_CHARS} printable characters");
        return Err(ApiError::bad_field("provider_txid", reason));
    }
    let is_currency = body.currency.len() == 3 && body.currency.bytes().all(|b| b.is_ascii_uppercase());
    if !is_currency {
        return Err(ApiError::bad_field("currency", "it must be three capital letters, as EUR"));
    }
    Ok(())
}

pub(super) struct RegisterAgentPayment;

impl Endpoint for RegisterAgentPayment {
    const NAME: &'static str = "register-agent-payment";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Record a payment of a client, and credit it when it is paid";
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, body: Request) -> Result<Answer, ApiError> {
        check(&body)?;
        let client = call.own_client(&body.login)?;
        let told = PaymentTold {
            reseller_id: call.account.id,
            amount: body.amount.0,
            currency: body.currency,
            provider: body.provider,
            external_id: body.external_id,
            provider_txid: body.provider_txid.unwrap_or_default(),
            status: body.status,
        };
        let known = payments::register(call.services(), &told, &client).await?;
        let present = || client.wallet.snapshot().balance;
        let payment = AgentPayment {
            id: known.id,
            login: client.login.clone(),
            amount: Num(known.amount),
            currency: known.currency,
            provider: known.provider,
            external_id: known.external_id,
            provider_txid: known.provider_txid,
            status: known.status,
            credited: known.credited.is_some(),
            client_balance: Num(known.credited.map_or_else(present, |credited| credited.client_balance)),
        };
        Ok(Answer { payment })
    }
}
