//! Retail credit that resellers grant their own clients: a promise of the reseller, not money of the operator.

use tollgate_rating::Money;

use crate::ledger::{Fence, Posting, PostingLine, RESELLER_CREDIT, Reference};

/// Maximum amount of one grant.
pub const MAX_AMOUNT: Money = Money::from_nanos(1_000_000 * 1_000_000_000);
/// Smallest unit of an amount, in nanos: a millionth, the precision of prices.
const FINEST_NANOS: i64 = 1_000;
/// Maximum length of a reseller's id of a transfer, in characters.
pub const MAX_EXTERNAL_ID_CHARS: usize = 128;

/// Reasons to refuse an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Zero or less.
    #[error("it must be more than zero")]
    NotPositive,
    /// More than [`MAX_AMOUNT`].
    #[error("it must be at most {MAX_AMOUNT}")]
    TooLarge,
    /// More decimals than the smallest unit of an amount allows.
    #[error("it must have at most 6 decimals")]
    TooPrecise,
}

/// Checks the amount of a grant.
pub fn check_amount(amount: Money) -> Result<(), AmountError> {
    if amount <= Money::ZERO {
        return Err(AmountError::NotPositive);
    }
    if amount > MAX_AMOUNT {
        return Err(AmountError::TooLarge);
    }
    if amount.nanos() % FINEST_NANOS != 0 {
        return Err(AmountError::TooPrecise);
    }
    Ok(())
}

/// Reports whether a text can be a reseller's id of a transfer.
pub fn is_external_id(text: &str) -> bool {
    (1..=MAX_EXTERNAL_ID_CHARS).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// Builds the posting that grants the credit, once per id of the reseller. `None` if the amount cannot be negated.
pub(super) fn posting(
    kind: &str,
    reseller_id: i64,
    client_id: i64,
    amount: Money,
    external_id: &str,
    currency: &str,
    note: String,
) -> Option<Posting> {
    Some(Posting {
        kind: kind.to_owned(),
        lines: vec![
            PostingLine::new(RESELLER_CREDIT, amount.checked_neg()?),
            PostingLine::new(client_id, amount),
        ],
        currency: currency.to_owned(),
        reference: Some(Reference { scope: reseller_id, text: external_id.to_owned() }),
        note: Some(note),
        // Set by the transfer.
        fence: Fence::Fact,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_above_zero_not_absurd_and_not_finer_than_a_millionth() {
        let check = |text: &str| check_amount(Money::parse(text).unwrap());
        for good in ["0.000001", "1", "1000000", "12.50"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["0", "-1", "-0.000001"] {
            assert_eq!(check(bad), Err(AmountError::NotPositive), "{bad}");
        }
        assert_eq!(check("1000000.000001"), Err(AmountError::TooLarge));
        assert_eq!(check("0.0000001"), Err(AmountError::TooPrecise));
        assert_eq!(AmountError::TooLarge.to_string(), "it must be at most 1000000");
    }

    #[test]
    fn names_are_printable_and_of_a_length() {
        assert!(is_external_id("ORDER-DEMO-10001") && is_external_id("Bestellung Nr. 7 ü"));
        assert!(is_external_id(&"x".repeat(128)));
        for bad in ["", "a\nb", "\u{0}", &"x".repeat(129)] {
            assert!(!is_external_id(bad), "{bad:?}");
        }
    }
}
