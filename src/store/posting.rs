//! Money that moves without a call: credits, transfers, corrections.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tollgate_rating::Money;

use crate::secrets::hex;

/// The operator's own money: what credit that is given to a top-level account is taken from.
pub const OPERATOR_FUNDS: i64 = 1;
/// What the top of each chain pays for calls: the operator's revenue.
pub const CALL_REVENUE: i64 = 2;
/// What the lower payers of a chain pay: the revenue of the resellers above them, which the operator does not collect.
pub const RESOLD_CALLS: i64 = 3;
/// What retail credit that resellers give is taken from: their promise to their clients, no money of the operator's.
pub const RESELLER_CREDIT: i64 = 4;
/// What the top of each chain pays for messages: the operator's revenue.
pub const MESSAGE_REVENUE: i64 = 5;
/// What the lower payers of a message's chain pay, as [`RESOLD_CALLS`] of a call's.
pub const RESOLD_MESSAGES: i64 = 6;
/// What the top of each chain pays for data packages: the operator's revenue.
pub const PACKAGE_REVENUE: i64 = 7;
/// What the lower payers of a package's chain pay, as [`RESOLD_CALLS`] of a call's.
pub const RESOLD_PACKAGES: i64 = 8;
/// Account ids up to this one are the house's own; wallets have higher ones.
pub const LAST_SYSTEM_ACCOUNT: i64 = 99;

/// Whether the amount of an entry includes its tax.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxBase {
    /// The tax comes on top.
    #[default]
    Net,
    /// The tax is inside.
    Gross,
}

/// One line of a posting: what is added to an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostingLine {
    /// Whose balance.
    pub account_id: i64,
    /// Added to it; negative takes away.
    pub amount: Money,
    /// The tax, where one is known.
    pub tax: Money,
    /// Whether the amount includes it.
    pub tax_base: TaxBase,
}

impl PostingLine {
    /// A line without tax.
    pub const fn new(account_id: i64, amount: Money) -> Self {
        Self { account_id, amount, tax: Money::ZERO, tax_base: TaxBase::Net }
    }
}

/// A name that a posting has for ever.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reference {
    /// Whose names these are: the account that gives them, 0 for the operator.
    pub scope: i64,
    /// The name, unique among its scope and the posting's kind.
    pub text: String,
}

/// Who may write it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fence {
    /// Only the present owner: it spends or grants. Refused when the epoch is over.
    Owner {
        /// The epoch under which it was decided.
        epoch: i64,
    },
    /// Anybody: it states what has happened.
    #[default]
    Fact,
}

/// Lines that belong together: they sum to zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// `credit`, `transfer`, `correction`, …
    pub kind: String,
    /// The lines, in one currency.
    pub lines: Vec<PostingLine>,
    /// Their currency.
    pub currency: String,
    /// With a reference it is written once; the same again answers with the first one's id.
    pub reference: Option<Reference>,
    /// For people.
    pub note: Option<String>,
    /// Who may write it.
    pub fence: Fence,
}

impl Posting {
    /// Credit from the operator to an account (`tollgate credit`); negative takes back.
    ///
    /// `None` where the amount has no opposite (the lowest number there is).
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

    /// Whether its lines sum to zero, and there are any.
    pub fn balances(&self) -> bool {
        !self.lines.is_empty()
            && self.lines.iter().map(|line| i128::from(line.amount.nanos())).sum::<i128>() == 0
    }

    /// What must be equal in another posting of the same name for it to be the same one: kind, currency and lines.
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

/// What became of a posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    /// Its transaction.
    pub tx_id: i64,
    /// Whether it had been written before: nothing was added.
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
