//! `POST ?endpoint=redeem-voucher`: credits the value of a voucher to the balance, once.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::accounts::vouchers::{self, MAX_CODE_CHARS, RedeemError};
use crate::api::amount::D4;
use crate::api::attempts::Guess;
use crate::api::call::Call;
use crate::api::changes::Changes;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoQuery;
use crate::api::refusals::Refusal;

/// A voucher to redeem.
#[derive(Deserialize, ToSchema)]
pub(super) struct Request {
    /// Voucher code.
    voucher: String,
}

/// The credited amount and the balance.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RedeemedVoucher {
    /// Value of the voucher.
    amount: D4,
    /// Balance after the credit.
    balance: D4,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// Result, as text for people.
    message: &'static str,
    /// The credited amount and the balance.
    data: RedeemedVoucher,
}

pub(super) struct RedeemVoucher;

impl Endpoint for RedeemVoucher {
    const NAME: &'static str = "redeem-voucher";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Redeem voucher";
    const CHANGES: Changes = Changes::Nothing;
    const IDEMPOTENT: bool = true;
    const REFUSALS: &[Refusal] =
        &[(404, "not_found"), (409, "already_redeemed"), (422, "too_large"), (429, "too_many_attempts")];
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, Request { voucher }: Request) -> Result<Answer, ApiError> {
        check_shape(&voucher)?;
        let (services, account) = (call.services(), &call.account);
        let now_ms = services.clock.monotonic_ms();
        let mut guess = call.api.attempts.begin(Guess::Voucher, account.id, now_ms).await?;
        let _lock = services.lock_account(account.id).await;
        let found = vouchers::find(services, account, &voucher).await;
        let voucher = found.inspect_err(|error| {
            if matches!(error, RedeemError::Unknown) {
                guess.count_failure();
            }
        })?;
        let balance = account.wallet.snapshot().balance.checked_add(voucher.amount);
        let balance = D4(balance.ok_or(RedeemError::TooLarge)?);
        let data = RedeemedVoucher { amount: D4(voucher.amount), balance };
        let answer = Answer { message: "Voucher redeemed", data };
        vouchers::redeem(services, account, &voucher, call.remember_answer(&answer)?).await?;
        Ok(answer)
    }
}

fn check_shape(code: &str) -> Result<(), ApiError> {
    let long = code.chars().count() > MAX_CODE_CHARS;
    if code.trim().is_empty() || long || code.chars().any(char::is_control) {
        return Err(ApiError::bad_field("voucher", format!("1 to {MAX_CODE_CHARS} printable characters")));
    }
    Ok(())
}

impl From<RedeemError> for ApiError {
    fn from(error: RedeemError) -> Self {
        let text = error.to_string();
        match error {
            RedeemError::Unknown => Self::missing("voucher", "voucher"),
            RedeemError::AlreadyRedeemed => Self::conflict("already_redeemed", text).at("voucher"),
            RedeemError::TooLarge => Self::refused("too_large", text),
            RedeemError::Services(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_long_or_unprintable_code_is_refused() {
        assert!(check_shape("AAAA-BBBB").is_ok());
        for bad in ["", "  ", "a\u{0}b", &"A".repeat(MAX_CODE_CHARS + 1)] {
            assert_eq!(check_shape(bad).unwrap_err().field.as_deref(), Some("voucher"), "{bad:?}");
        }
    }

    #[test]
    fn a_redeemed_voucher_is_409_and_an_unknown_one_404() {
        assert_eq!(ApiError::from(RedeemError::AlreadyRedeemed).status, 409);
        assert_eq!(ApiError::from(RedeemError::Unknown).status, 404);
    }
}
