//! Caller numbers of an account, and the choice of the one that its next call presents.
//!
//! The active number is a field of the account, where authorising reads it. An operator may have set a number there
//! that is in no list. `callerid.policy` determines which numbers an account may present.

use crate::config::{Callerid, CalleridPolicy};
use crate::services::{FEED_ACCOUNT, Services};
use crate::store::accounts::AccountRecord;
use crate::store::callerids::CalleridRecord;
use crate::store::{Reserved, StoreError, Tx};

/// Maximum caller numbers of an account.
pub const MAX_CALLERIDS: usize = 50;
/// Maximum length of a caller number's name, in characters.
pub const MAX_NAME_CHARS: usize = 64;
/// Digits of a number with its country code: E.164 allows at most fifteen.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// Reasons to refuse an operation on caller numbers.
#[derive(Debug, thiserror::Error)]
pub enum CalleridError {
    /// The account has no such number.
    #[error("there is no caller id {0}")]
    Unknown(String),
    /// The text is not a number.
    #[error("a caller id is + and 7 to 15 digits, the country code first")]
    Shape,
    /// The name is too long or contains a control character.
    #[error("a name has at most {MAX_NAME_CHARS} characters and no control characters")]
    Name,
    /// The account already has the number.
    #[error("{0} is there already")]
    Exists(String),
    /// The account has the maximum number of caller numbers.
    #[error("there are {MAX_CALLERIDS} caller ids already")]
    TooMany,
    /// The number begins with no prefix of `callerid.prefixes`.
    #[error("{0} is not in a range that may be presented")]
    NotAllowed(String),
    /// The operator has not approved the number yet.
    #[error("{0} has not been approved yet")]
    NotApproved(String),
    /// The store failed.
    #[error("the database failed: {0}")]
    Store(#[from] StoreError),
}

impl CalleridError {
    /// Returns the machine code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "unknown_callerid",
            Self::Shape | Self::Name => "bad_argument",
            Self::Exists(_) => "exists",
            Self::TooMany => "too_many",
            Self::NotAllowed(_) => "not_allowed",
            Self::NotApproved(_) => "not_approved",
            Self::Store(_) => "unavailable",
        }
    }
}

/// A caller number of an account, with its active state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The number.
    pub callerid: CalleridRecord,
    /// True if the next call presents the number.
    pub active: bool,
}

/// Converts a number to the stored form: `+` and digits.
pub fn normalised(text: &str) -> Result<String, CalleridError> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let is_number = DIGITS.contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    if is_number { Ok(format!("+{digits}")) } else { Err(CalleridError::Shape) }
}

/// Lists an account's numbers, newest first. `presented` is the number that the account presents now.
pub async fn list(
    services: &Services,
    account_id: i64,
    presented: Option<&str>,
) -> Result<Vec<Listed>, CalleridError> {
    let listed = services.store.callerids_of(account_id).await?;
    let active = |callerid: &CalleridRecord| is_presented(presented, &callerid.cid);
    Ok(listed.into_iter().map(|callerid| Listed { active: active(&callerid), callerid }).collect())
}

/// Adds a number. With `activate` the next call presents it, unless it needs an approval.
pub async fn add(
    services: &Services,
    account_id: i64,
    cid: &str,
    name: &str,
    activate: bool,
) -> Result<Listed, CalleridError> {
    let cid = normalised(cid)?;
    if name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(CalleridError::Name);
    }
    let policy = &services.config.callerid;
    in_range(policy, &cid)?;
    let (mut tx, mut account) = begin(services, account_id).await?;
    let others = tx.callerids_of(account_id).await?;
    if others.iter().any(|other| other.cid == cid) {
        return Err(CalleridError::Exists(cid));
    }
    if others.len() >= MAX_CALLERIDS {
        return Err(CalleridError::TooMany);
    }
    let now = services.clock.now();
    let callerid = CalleridRecord {
        id: tx.append_feed(FEED_ACCOUNT, account_id, now).await?,
        account_id,
        cid,
        name: name.to_owned(),
        approved: policy.policy != CalleridPolicy::Approval,
        created_at: now,
    };
    tx.insert_callerid(&callerid).await?;
    if activate && callerid.approved {
        account.callerid = Some(callerid.cid.clone());
        tx.update_account(&account).await?;
    }
    let active = is_presented(account.callerid.as_deref(), &callerid.cid);
    finish(services, tx, account_id).await?;
    Ok(Listed { callerid, active })
}

/// Makes the next call present a number of the account.
pub async fn activate(services: &Services, account_id: i64, cid: &str) -> Result<(), CalleridError> {
    let cid = normalised(cid)?;
    let (mut tx, account) = begin(services, account_id).await?;
    let callerid = tx.callerids_of(account_id).await?.into_iter().find(|callerid| callerid.cid == cid);
    let callerid = callerid.ok_or_else(|| CalleridError::Unknown(cid.clone()))?;
    let policy = &services.config.callerid;
    in_range(policy, &cid)?;
    if policy.policy == CalleridPolicy::Approval && !callerid.approved {
        return Err(CalleridError::NotApproved(cid));
    }
    present(services, tx, account, Some(cid)).await
}

/// Removes a number of the account. If calls presented it, they present the phone's own number from now on.
pub async fn delete(services: &Services, account_id: i64, id: i64) -> Result<CalleridRecord, CalleridError> {
    let (mut tx, account) = begin(services, account_id).await?;
    let callerid = tx.callerid_by_id(id).await?.filter(|callerid| callerid.account_id == account_id);
    let callerid = callerid.ok_or_else(|| CalleridError::Unknown(id.to_string()))?;
    tx.delete_callerid(id).await?;
    let presented =
        account.callerid.clone().filter(|_| !is_presented(account.callerid.as_deref(), &callerid.cid));
    present(services, tx, account, presented).await?;
    Ok(callerid)
}

/// Makes calls present the phone's own number.
pub async fn clear(services: &Services, account_id: i64) -> Result<(), CalleridError> {
    let (tx, account) = begin(services, account_id).await?;
    present(services, tx, account, None).await
}

/// Approves a number on behalf of the operator: calls may present it.
pub async fn approve(services: &Services, id: i64) -> Result<CalleridRecord, CalleridError> {
    let mut tx = services.store.begin().await?;
    tx.reserve_ids(Reserved::default()).await?;
    let unknown = || CalleridError::Unknown(id.to_string());
    let callerid = tx.callerid_by_id(id).await?.ok_or_else(unknown)?;
    tx.approve_callerid(id).await?;
    tx.commit().await?;
    Ok(CalleridRecord { approved: true, ..callerid })
}

/// Rejects and removes a number on behalf of the operator: it does not belong to the account.
pub async fn reject(services: &Services, id: i64) -> Result<CalleridRecord, CalleridError> {
    let unknown = || CalleridError::Unknown(id.to_string());
    let mut tx = services.store.begin().await?;
    let callerid = tx.callerid_by_id(id).await?.ok_or_else(unknown)?;
    tx.rollback().await?;
    delete(services, callerid.account_id, id).await
}

/// Reports whether an account presents a number; an operator may have stored it without its `+`.
fn is_presented(presented: Option<&str>, cid: &str) -> bool {
    let digits = |text: &'_ str| text.strip_prefix('+').unwrap_or(text).to_owned();
    presented.is_some_and(|presented| digits(presented) == digits(cid))
}

fn in_range(policy: &Callerid, cid: &str) -> Result<(), CalleridError> {
    let digits = cid.strip_prefix('+').unwrap_or(cid);
    let begins = policy.prefixes.iter().any(|prefix| digits.starts_with(prefix.as_str()));
    match policy.policy {
        CalleridPolicy::Pattern if !begins => Err(CalleridError::NotAllowed(cid.to_owned())),
        CalleridPolicy::Free | CalleridPolicy::Pattern | CalleridPolicy::Approval => Ok(()),
    }
}

async fn begin(services: &Services, account_id: i64) -> Result<(Tx, AccountRecord), CalleridError> {
    let mut tx = services.store.begin().await?;
    tx.reserve_ids(Reserved::default()).await?;
    let account = tx.account_by_id(account_id).await?;
    let account = account.ok_or_else(|| StoreError::Inconsistent {
        table: "accounts",
        reason: format!("account {account_id} is gone"),
    })?;
    Ok((tx, account))
}

async fn present(
    services: &Services,
    mut tx: Tx,
    mut account: AccountRecord,
    cid: Option<String>,
) -> Result<(), CalleridError> {
    if account.callerid != cid {
        account.callerid = cid;
        tx.update_account(&account).await?;
        tx.append_feed(FEED_ACCOUNT, account.id, services.clock.now()).await?;
    }
    finish(services, tx, account.id).await
}

async fn finish(services: &Services, tx: Tx, account_id: i64) -> Result<(), CalleridError> {
    tx.commit().await?;
    services.reload_account(account_id).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_with_their_plus() {
        assert_eq!(normalised("+1234567890").unwrap(), "+1234567890");
        assert_eq!(normalised("4930123456").unwrap(), "+4930123456");
        for text in
            ["", "+", "123456", "+1234567890123456", "++1234567", "+49 30 1234", "0301234567", "٤٤٤٤٤٤٤"]
        {
            assert!(normalised(text).is_err(), "{text}");
        }
        assert!(is_presented(Some("4930123456"), "+4930123456"));
        assert!(!is_presented(None, "+4930123456"));
    }
}
