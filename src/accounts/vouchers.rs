//! Vouchers: issued in advance, redeemed once. A code is shown when it is issued and never stored; a stored digest
//! finds the voucher.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tollgate_rating::Money;

use super::money::{Alongside, MoveError, move_money};
use crate::directory::Account;
use crate::ledger::{Fence, OPERATOR_FUNDS, Posting, PostingLine, RESELLER_CREDIT, Reference};
use crate::secrets::random_below;
use crate::services::{ServiceError, Services};
use crate::store::accounts::Kind;
use crate::store::idempotency::RememberedAnswer;
use crate::store::vouchers::{NewVoucher, VoucherRecord};
use crate::store::{StoreError, Tx};

/// 32 letters and digits that cannot be confused: no 0, O, 1, I.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Length of a code in characters: 80 bits.
const CODE_CHARS: usize = 16;
/// Maximum length of a text accepted as a code, in characters, including dashes and spaces that people insert.
pub const MAX_CODE_CHARS: usize = 64;
/// Maximum value of one voucher.
pub const MAX_AMOUNT: Money = Money::from_nanos(10_000 * 1_000_000_000);
/// Maximum vouchers issued at once.
pub const MAX_COUNT: u32 = 10_000;
/// Vouchers per transaction: on the embedded database calls wait for it.
const AT_ONCE: usize = 500;

/// Reasons not to issue vouchers.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The amount or the count is out of range.
    #[error("{field}: {reason}")]
    BadValue {
        /// The option.
        field: &'static str,
        /// The reason.
        reason: String,
    },
    /// No reseller has this login.
    #[error("there is no reseller {0}")]
    UnknownIssuer(String),
    /// The store failed.
    #[error("the database failed: {0}")]
    Store(#[from] StoreError),
}

/// Reasons not to redeem a voucher.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// No voucher has this code, or it belongs to another issuer's clients.
    #[error("voucher not found")]
    Unknown,
    /// The voucher was redeemed already.
    #[error("the voucher has been redeemed already")]
    AlreadyRedeemed,
    /// The wallet cannot hold the result.
    #[error("the balance would be more than an account holds")]
    TooLarge,
    /// The database is unreachable, or another process owns the wallets.
    #[error(transparent)]
    Services(#[from] ServiceError),
}

impl From<StoreError> for RedeemError {
    fn from(error: StoreError) -> Self {
        Self::Services(error.into())
    }
}

impl From<MoveError<AlreadyRedeemed>> for RedeemError {
    fn from(error: MoveError<AlreadyRedeemed>) -> Self {
        match error {
            // A redemption of the same voucher by another account has its reference.
            MoveError::ReferenceTaken(_) | MoveError::Refused(AlreadyRedeemed) => Self::AlreadyRedeemed,
            MoveError::NotEnough { .. } | MoveError::TooLarge => Self::TooLarge,
            MoveError::Services(error) => error.into(),
        }
    }
}

/// Issues vouchers and returns their codes, which are shown only once.
pub async fn issue(
    services: &Services,
    amount: Money,
    count: u32,
    issuer: Option<&str>,
) -> Result<Vec<String>, IssueError> {
    let bad = |field, reason: String| Err(IssueError::BadValue { field, reason });
    if amount <= Money::ZERO || amount > MAX_AMOUNT {
        return bad("amount", format!("must be above 0 and at most {MAX_AMOUNT}"));
    }
    if count == 0 || count > MAX_COUNT {
        return bad("count", format!("must be 1 to {MAX_COUNT}"));
    }
    let issuer_id = match issuer {
        None => None,
        Some(login) => {
            let account = services.store.account_by_login(login).await?;
            let reseller = account.filter(|account| account.kind == Kind::Reseller);
            Some(reseller.ok_or_else(|| IssueError::UnknownIssuer(login.to_owned()))?.id)
        }
    };
    let codes: Vec<String> = (0..count).map(|_| new_code()).collect();
    let now = services.clock.now();
    for some in codes.chunks(AT_ONCE) {
        let mut tx = services.store.begin().await?;
        let first = tx.catalog_ids(i64::try_from(some.len()).unwrap_or(i64::MAX)).await?;
        for (id, code) in (first..).zip(some) {
            tx.insert_voucher(&NewVoucher { id, digest: digest(code), amount, issuer_id }, now).await?;
        }
        tx.commit().await?;
    }
    Ok(codes)
}

/// Finds the voucher of a code that an account may redeem. A voucher of another issuer counts as unknown.
pub async fn find(services: &Services, account: &Account, code: &str) -> Result<VoucherRecord, RedeemError> {
    let voucher = services.store.voucher(&digest(&normalised(code))).await?;
    let voucher = voucher.filter(|voucher| voucher.issuer_id == reseller_of(account));
    match voucher {
        None => Err(RedeemError::Unknown),
        Some(voucher) if voucher.redeemed_at.is_some() => Err(RedeemError::AlreadyRedeemed),
        Some(voucher) => Ok(voucher),
    }
}

/// Credits an account with a voucher's value, once. `remembered` is written in the same transaction.
pub async fn redeem(
    services: &Services,
    account: &Account,
    voucher: &VoucherRecord,
    remembered: Option<RememberedAnswer>,
) -> Result<(), RedeemError> {
    let taken = voucher.amount.checked_neg().ok_or(RedeemError::TooLarge)?;
    let funds = if voucher.issuer_id.is_some() { RESELLER_CREDIT } else { OPERATOR_FUNDS };
    let posting = Posting {
        kind: "voucher".to_owned(),
        lines: vec![PostingLine::new(funds, taken), PostingLine::new(account.id, voucher.amount)],
        currency: services.currency().to_owned(),
        reference: Some(Reference {
            scope: voucher.issuer_id.unwrap_or(0),
            text: format!("voucher-{}", voucher.id),
        }),
        note: Some(format!("voucher {}", voucher.id)),
        fence: Fence::Fact,
    };
    let mark = Mark { voucher_id: voucher.id, account_id: account.id, at: services.clock.now(), remembered };
    let posted = move_money(services, posting, &mark).await?;
    // The same account has redeemed it already.
    if posted.duplicate { Err(RedeemError::AlreadyRedeemed) } else { Ok(()) }
}

/// Another redemption came first.
#[derive(Debug)]
struct AlreadyRedeemed;

/// Rows written with the credit.
struct Mark {
    voucher_id: i64,
    account_id: i64,
    at: Timestamp,
    remembered: Option<RememberedAnswer>,
}

impl Alongside for Mark {
    type Refused = AlreadyRedeemed;

    async fn write(&self, tx: &mut Tx, tx_id: i64) -> Result<Result<(), AlreadyRedeemed>, StoreError> {
        if !tx.redeem_voucher(self.voucher_id, self.account_id, self.at, tx_id).await? {
            return Ok(Err(AlreadyRedeemed));
        }
        if let Some(answer) = &self.remembered {
            tx.remember_answer(answer).await?;
        }
        Ok(Ok(()))
    }
}

/// Returns the reseller above a client or a subaccount's client; `None` for clients of the operator.
fn reseller_of(account: &Account) -> Option<i64> {
    let client = match account.kind {
        Kind::Subaccount => account.parent()?,
        Kind::Client | Kind::Reseller => return account.parent().map(|above| above.id),
    };
    client.parent().map(|above| above.id)
}

fn new_code() -> String {
    let letter = |_| {
        let at = usize::try_from(random_below(ALPHABET.len() as u64)).unwrap_or(0);
        char::from(ALPHABET[at])
    };
    (0..CODE_CHARS).map(letter).collect()
}

/// Normalises a code: case and grouping do not matter.
fn normalised(text: &str) -> String {
    let letters = text.chars().filter(|c| !c.is_whitespace() && *c != '-');
    letters.map(|c| c.to_ascii_uppercase()).collect()
}

fn digest(code: &str) -> [u8; 32] {
    Sha256::digest(code.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_80_bits_of_letters_that_are_not_mistaken_for_others() {
        let (one, other) = (new_code(), new_code());
        assert_ne!(one, other);
        assert_eq!(one.len(), CODE_CHARS);
        assert!(!one.contains(['0', 'O', '1', 'I']), "{one}");
    }

    #[test]
    fn a_code_is_known_however_it_is_typed() {
        assert_eq!(normalised(" abcd-efgh 2345\u{a0}-6789 "), "ABCDEFGH23456789");
    }
}
