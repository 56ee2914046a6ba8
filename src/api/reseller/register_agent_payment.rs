//! `POST ?endpoint=register-agent-payment`: records a payment that a provider reported to the portal; a paid one is credited to the
//! client, once.

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
use crate::api::refusals::Refusal;

/// Longest provider and longest status, in characters.
const MAX_WORD_CHARS: usize = 32;
/// Longest id of a payment at its provider, in characters.
const MAX_TXID_CHARS: usize = 128;

/// A payment of a client.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Request {
    /// Login of the client.
    login: String,
    /// Amount, above zero, at most 1000000, at most 6 decimals.
    amount: Amount,
    /// Currency of the accounts, ISO 4217.
    currency: String,
    /// Payment provider: letters a to z, digits, `_`, `-`.
    provider: String,
    /// Id of the payment in the portal, unique for ever.
    external_id: String,
    /// Id of the payment at the provider, once known.
    #[serde(default)]
    provider_txid: Option<String>,
    /// Status at the provider: `paid`, `completed` and `paid_over` credit the client, every other status is recorded.
    status: String,
}

/// A recorded payment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentPayment {
    /// Id of the payment.
    id: i64,
    /// Login of the client.
    login: String,
    /// Amount.
    amount: Num,
    /// Currency, ISO 4217.
    currency: String,
    /// Payment provider.
    provider: String,
    /// Id of the payment in the portal.
    external_id: String,
    /// Id of the payment at the provider; empty while unknown.
    provider_txid: String,
    /// Last reported status.
    status: String,
    /// True where the amount has been credited.
    credited: bool,
    /// Balance after the credit, or the present one where there was none.
    client_balance: Num,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// The recorded payment.
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

/// Checks the format of every field that is stored as sent.
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
    const REFUSALS: &[Refusal] = &[
        (404, "not_found"),
        (409, "already_credited"),
        (409, "external_id_taken"),
        (409, "provider_txid_taken"),
        (409, "too_many_open_payments"),
        (422, "too_large"),
        (422, "wrong_currency"),
    ];
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(change: impl FnOnce(&mut Request)) -> Option<String> {
        let mut request = Request {
            login: "1001".to_owned(),
            amount: Amount("20".parse().unwrap()),
            currency: "EUR".to_owned(),
            provider: "plisio".to_owned(),
            external_id: "order 1".to_owned(),
            provider_txid: None,
            status: "paid_over".to_owned(),
        };
        change(&mut request);
        check(&request).err().and_then(|error| error.field)
    }

    #[test]
    fn each_malformed_field_of_a_payment_is_named() {
        assert_eq!(fault(|_| {}), None);
        assert_eq!(fault(|it| it.currency = "eur".to_owned()).as_deref(), Some("currency"));
        assert_eq!(fault(|it| it.provider = "Plisio".to_owned()).as_deref(), Some("provider"));
        assert_eq!(fault(|it| it.status = "paid-1".to_owned()).as_deref(), Some("status"));
        assert_eq!(fault(|it| it.external_id.clear()).as_deref(), Some("external_id"));
        let txid = "x".repeat(MAX_TXID_CHARS + 1);
        assert_eq!(fault(|it| it.provider_txid = Some(txid)).as_deref(), Some("provider_txid"));
    }

    #[test]
    fn a_payment_in_another_currency_is_422_and_a_reused_id_409() {
        let status = |refusal| ApiError::from(refusal).status.as_u16();
        assert_eq!(status(PaymentRefusal::WrongCurrency), 422);
        assert_eq!(status(PaymentRefusal::ExternalIdTaken), 409);
        assert_eq!(status(PaymentRefusal::ProviderTxidTaken), 409);
    }
}
