//! `POST ?endpoint=redeem-voucher`: a voucher's value is added to the balance, once.

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

#[derive(Deserialize, ToSchema)]
pub(super) struct Request {
    voucher: String,
}

/// What was added, and what there is now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RedeemedVoucher {
    amount: D4,
    balance: D4,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    message: &'static str,
    data: RedeemedVoucher,
}

pub(super) struct RedeemVoucher;

impl Endpoint for RedeemVoucher {
    const NAME: &'static str = "redeem-voucher";
    const VERB: Verb = Verb::Post;
    const SUMMARY: &'static str = "Redeem voucher";
    const CHANGES: Changes = Changes::Nothing;
    const IDEMPOTENT: bool = true;
    type Query = NoQuery;
    type Body = Request;
    type Answer = Answer;

    async fn handle(call: Call, _: NoQuery, Request { voucher }: Request) -> Result<Answer, ApiError> {
        check_shape(&voucher)?;
        let (services, account) = (call.services(), &call.account);
        let now_ms = services.clock.monotonic_ms();
        let mut guess = call.api.attempts.turn(Guess::Voucher, account.id, now_ms).await?;
        let _lock = services.lock_account(account.id).await;
        let found = vouchers::find(services, account, &voucher).await;
        let voucher = found.inspect_err(|error| {
            if matches!(error, RedeemError::Unknown) {
                guess.failed();
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
