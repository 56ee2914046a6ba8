//! Refusals of messages: the asking account learns its own shortages, never those of the accounts above it.

use axum::http::StatusCode;
use tollgate_rating::credit::RefusalReason;

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::directory::Account;
use crate::messaging::price::{NoPrice, NoPriceReason};
use crate::messaging::wall_time::WhenError;
use crate::messaging::{CancelError, OrderError, SendError};

/// Seconds until unsent messages may have been sent or deleted.
const UNSENT_RETRY_S: u32 = 60;

impl Call {
    /// The refusal of an invalid order. `phone` is the name of the field with the number or the numbers.
    pub(super) fn order_refused(&self, sender: &Account, phone: &str, error: &OrderError) -> ApiError {
        let text = error.to_string();
        match error {
            OrderError::NoProviders => ApiError::refused("no_providers", text),
            OrderError::UnknownProvider => ApiError::missing("provider", "provider"),
            OrderError::Text(_) => ApiError::bad_field("message", text),
            OrderError::Sender => ApiError::bad_field("sender_id", text),
            OrderError::Number { index } if phone == "phones" => {
                ApiError::bad_field(&format!("{phone}[{index}]"), text)
            }
            OrderError::Number { .. } | OrderError::RecipientCount { .. } => ApiError::bad_field(phone, text),
            OrderError::TooLarge => ApiError::no_credit(text),
            OrderError::NoPrice(none) => self.no_price(sender, phone, none),
        }
    }

    fn no_price(&self, sender: &Account, phone: &str, none: &NoPrice) -> ApiError {
        let is_own = none.place == 0 || none.login == self.account.login;
        if !is_own {
            return unavailable();
        }
        let prices = if none.place == 0 { "" } else { "at your own prices: " };
        match &none.reason {
            NoPriceReason::NotSold | NoPriceReason::Unusable(_) => {
                let text = format!("{prices}the plan of {} sells no messages at the moment", none.login);
                ApiError::refused(
                    "no_prices",
                    if sender.id == self.account.id { sold_nothing() } else { text },
                )
            }
            reason => ApiError::refused(reason.code(), format!("{phone}: {prices}{reason}")).at(phone),
        }
    }

    /// The refusal of a message that cannot be sent. `phone` is the name of the field with the number.
    pub(super) fn send_refused(&self, sender: &Account, phone: &str, error: SendError) -> ApiError {
        match error {
            SendError::Order(error) => self.order_refused(sender, phone, &error),
            SendError::Short { payer_index, reason } => self.short(sender, payer_index, reason),
            SendError::TooManyUnsent { .. } => {
                let text = error.to_string();
                let mut error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_unsent", text);
                error.retry_after = Some(UNSENT_RETRY_S);
                error
            }
            SendError::Chain(error) => ApiError::fault(&error),
            SendError::Services(error) => error.into(),
        }
    }

    fn short(&self, sender: &Account, payer_index: usize, reason: RefusalReason) -> ApiError {
        let chain = self.api.calls.directory.account(sender.id).map(|account| account.chain());
        let payer = chain.and_then(|chain| chain.get(payer_index).cloned());
        let is_asking = payer.is_some_and(|payer| payer.id == self.account.id);
        match reason {
            RefusalReason::DailyLimit if payer_index == 0 || is_asking => {
                ApiError::refused("daily_limit", "the day's spending limit is reached")
            }
            _ if payer_index == 0 => ApiError::no_credit("there is not enough credit"),
            _ if is_asking => ApiError {
                code: "no_wholesale_credit",
                ..ApiError::no_credit("your own credit is short, so that your client's message was not sent")
            },
            _ => unavailable(),
        }
    }
}

fn sold_nothing() -> String {
    "the plan sells no messages at the moment".to_owned()
}

/// Hides that an account above the asking one is the reason.
fn unavailable() -> ApiError {
    ApiError::refused("unavailable", "messages cannot be sent there at present")
}

impl From<WhenError> for ApiError {
    fn from(error: WhenError) -> Self {
        Self::bad_field("scheduled_at", error)
    }
}

impl From<CancelError> for ApiError {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::Unknown => Self::missing("id", "message or campaign"),
            CancelError::TooLate { state } => {
                Self::conflict("too_late", format!("it cannot be cancelled any more: it is {state}"))
            }
            CancelError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_was_sent_cannot_be_cancelled() {
        let error = ApiError::from(CancelError::TooLate { state: "DELIVERED".to_owned() });
        assert_eq!((error.status.as_u16(), error.code), (409, "too_late"));
        assert!(error.message.contains("DELIVERED"), "{error}");
        assert_eq!(ApiError::from(CancelError::Unknown).status, 404);
    }
}
