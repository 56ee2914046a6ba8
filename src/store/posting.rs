//! Transfers of money without a call: credits, transfers, corrections.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tollgate_rating::Money;

use crate::secrets::hex;

/// Funds of the operator: the source of credit for top-level accounts.
pub const OPERATOR_FUNDS: i64 = 1;
/// The operator's revenue from calls: payments by the top of each chain.
pub const CALL_REVENUE: i64 = 2;
/// Resellers' revenue from calls, which the operator does not collect: payments by the lower payers of a chain.
pub const RESOLD_CALLS: i64 = 3;
/// Source of the retail credit that resellers grant: their promise to their clients, not the operator's money.
pub const RESELLER_CREDIT: i64 = 4;
/// The operator's revenue from messages: payments by the top of each chain.
pub const MESSAGE_REVENUE: i64 = 5;
/// Payments for messages by the lower payers of a chain, like [`RESOLD_CALLS`] for calls.
pub const RESOLD_MESSAGES: i64 = 6;
/// The operator's revenue from eSIM packages: payments by the top of each chain.
pub const PACKAGE_REVENUE: i64 = 7;
/// Payments for eSIM packages by the lower payers of a chain, like [`RESOLD_CALLS`] for calls.
pub const RESOLD_PACKAGES: i64 = 8;
/// Account ids up to this one are internal accounts; wallets have higher ids.
pub const LAST_SYSTEM_ACCOUNT: i64 = 99;

/// Relation of an entry's amount to its tax.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxBase {
    /// The tax is added on top.
    #[default]
    Net,
    /// The amount includes the tax.
    Gross,
}

/// A line of a posting: an amount added to an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostingLine {
    /// Account of the balance.
    pub account_id: i64,
    /// Amount to add; negative to subtract.
    pub amount: Money,
    /// Tax; zero where unknown.
    pub tax: Money,
    /// Relation of the amount to the tax.
    pub tax_base: TaxBase,
}

impl PostingLine {
    /// Creates a line without tax.
    pub const fn new(account_id: i64, amount: Money) -> Self {
        Self { account_id, amount, tax: Money::ZERO, tax_base: TaxBase::Net }
    }
}

/// A permanent reference of a posting.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reference {
    /// Account that defines the reference, 0 for the operator.
    pub scope: i64,
    /// The reference, unique within its scope and the posting's kind.
    pub text: String,
}

/// Permission required to write a posting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fence {
    /// Only the current owner may write it: it spends or grants. Refused when the epoch is over.
    Owner {
        /// Epoch in which it was decided.
        epoch: i64,
    },
    /// Any process may write it: it records a past event.
    #[default]
    Fact,
}

/// Lines that belong together and sum to zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// Kind of the posting: `credit`, `transfer`, `correction`, …
    pub kind: String,
    /// Lines, in one currency.
    pub lines: Vec<PostingLine>,
    /// Currency of the lines.
    pub currency: String,
    /// With a reference the posting is written once; a repetition returns the first one's id.
    pub reference: Option<Reference>,
    /// Note for people.
    pub note: Option<String>,
    /// Permission required to write it.
    pub fence: Fence,
}

impl Posting {
    /// Creates a credit from the operator to an account (`tollgate credit`); negative to debit.
    ///
    /// `None` where the amount cannot be negated (the lowest number).
    pub fn credit(
        account_id: i64,
        amount: Money,
        currency: &str,
        reference: Option<&str>,
        fence: Fence,
    ) -> Option<Self> {
        let taken = amount.checked_neg()?;
        Some(Self {
            kind: "credit".to_owned(),
            lines: vec![PostingLine::new(OPERATOR_FUNDS, taken), PostingLine::new(account_id, amount)],
            currency: currency.to_owned(),
            reference: reference.map(|text| Reference { scope: 0, text: text.to_owned() }),
            note: reference.map(str::to_owned),
            fence,
        })
    }

    /// Reports whether there are lines and they sum to zero.
    pub fn balances(&self) -> bool {
        !self.lines.is_empty()
            && self.lines.iter().map(|line| i128::from(line.amount.nanos())).sum::<i128>() == 0
    }

    /// Returns the content that an identical posting of the same reference must have: kind, currency and lines.
    pub(crate) fn fingerprint(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(format!("{:?}{:?}", self.kind, self.currency));
        for line in &self.lines {
            digest.update(format!(
                ";{},{},{},{:?}",
                line.account_id,
                line.amount.nanos(),
                line.tax.nanos(),
                line.tax_base
            ));
        }
        hex(&digest.finalize())
    }
}

/// Result of a posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    /// Id of its transaction.
    pub tx_id: i64,
    /// True if it had already been written: nothing was added.
    pub duplicate: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credit(amount: i64) -> Posting {
        Posting::credit(100, Money::from_nanos(amount), "EUR", Some("inv-1"), Fence::Fact).unwrap()
    }

    #[test]
    fn a_credit_takes_from_the_operator_what_it_gives() {
        assert!(credit(5).balances());
        assert!(credit(-5).balances());
        assert_eq!(Posting::credit(100, Money::from_nanos(i64::MIN), "EUR", None, Fence::Fact), None);
    }

    #[test]
    fn lines_that_do_not_sum_to_zero_do_not_balance() {
        let mut posting = credit(5);
        posting.lines[0].amount = Money::from_nanos(-4);
        assert!(!posting.balances());
        posting.lines.clear();
        assert!(!posting.balances());
    }

    #[test]
    fn another_amount_is_another_posting() {
        assert_eq!(credit(5).fingerprint(), credit(5).fingerprint());
        assert_ne!(credit(5).fingerprint(), credit(6).fingerprint());
    }
}
