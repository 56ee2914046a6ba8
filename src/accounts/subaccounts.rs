//! Subaccounts: accounts of a client with wallets of their own, funded from the client's.

use std::sync::Arc;

use tollgate_rating::Money;

use super::create;
use super::error::OpsError;
use super::money::{MoveError, OwnMoneyAlone, move_money};
use super::topups::{fresh_reference, give_back_rest, moved};
use crate::directory::Account;
use crate::ledger::Reference;
use crate::services::{FEED_ACCOUNT, ServiceError, Services};
use crate::store::accounts::{AccountLimits, AccountRecord, Kind};
use crate::store::batch::PostingRefusal;
use crate::store::profiles::Profile;
use crate::store::subaccounts::{ListedSubaccount, TopUpSetting};
use crate::store::{StoreError, Tx};

/// Maximum subaccounts of a client.
pub const MAX_SUBACCOUNTS: i64 = 1_000;
/// Maximum subaccounts that a client ever creates, deleted ones included: their entries stay in the ledger permanently.
const MAX_EVER: i64 = 10_000;
/// Maximum amount of one transfer to a subaccount, and maximum threshold of a top-up.
pub const MAX_AMOUNT: Money = Money::from_nanos(1_000_000 * 1_000_000_000);
/// Smallest step of an amount, in nanos: six decimals.
const SMALLEST_STEP_NANOS: i64 = 1_000;
/// Maximum length of the name of a contact or company, in characters.
const MAX_NAME_CHARS: usize = 100;
/// Maximum length of a mail address, in characters (RFC 5321, section 4.5.3.1).
const MAX_EMAIL_CHARS: usize = 254;

/// Reasons to refuse an operation on a subaccount.
#[derive(Debug, thiserror::Error)]
pub enum SubaccountError {
    /// The client has no such subaccount, or it was deleted.
    #[error("there is no such subaccount")]
    Unknown,
    /// The contact's mail address is malformed.
    #[error("the contact's mail address is not one")]
    Email,
    /// A name is too long or not printable.
    #[error("a name has at most {MAX_NAME_CHARS} printable characters")]
    Name,
    /// The client has the maximum number of subaccounts.
    #[error("the client has {MAX_SUBACCOUNTS} subaccounts already")]
    TooMany,
    /// The amount is out of range.
    #[error("an amount has at most six decimals and is at most {MAX_AMOUNT}")]
    Amount,
    /// The client's own money does not cover the amount.
    #[error("the client has less than that")]
    NotEnough,
    /// The reference was used before for another transfer.
    #[error("the reference came with another movement before")]
    ReferenceTaken,
    /// The wallet cannot hold the result.
    #[error("the balance would be more than a wallet holds")]
    TooLarge,
    /// No login was free, or the operation failed.
    #[error(transparent)]
    Ops(#[from] OpsError),
    /// The service is unavailable.
    #[error(transparent)]
    Services(#[from] ServiceError),
    /// The store failed.
    #[error("the database failed: {0}")]
    Store(#[from] StoreError),
}

impl From<MoveError<std::convert::Infallible>> for SubaccountError {
    fn from(error: MoveError<std::convert::Infallible>) -> Self {
        match error {
            MoveError::NotEnough { .. } => Self::NotEnough,
            MoveError::TooLarge => Self::TooLarge,
            MoveError::ReferenceTaken(_) => Self::ReferenceTaken,
            MoveError::Refused(never) => match never {},
            MoveError::Services(error) => Self::Services(error),
        }
    }
}

/// A subaccount to create.
#[derive(Clone, Debug, Default)]
pub struct NewSubaccount {
    /// Name of its contact; may be empty.
    pub name: String,
    /// Mail address of its contact.
    pub email: String,
    /// Its company.
    pub company: Option<String>,
}

/// A subaccount with its money.
#[derive(Clone, Debug)]
pub struct SubaccountView {
    /// The subaccount's record in the store.
    pub listed: ListedSubaccount,
    /// Balance: the sum of its ledger entries.
    pub balance: Money,
}

/// Lists a client's subaccounts, oldest first; with `id` only that one, if it exists.
pub async fn list(
    services: &Services,
    client: &Account,
    id: Option<&str>,
) -> Result<Vec<SubaccountView>, SubaccountError> {
    let calls = services.memory().await?;
    let listed = services.store.subaccounts_of(client.id, id).await?;
    let view = |listed: ListedSubaccount| {
        let account = calls.directory.account(listed.account_id);
        let balance = account.map_or(Money::ZERO, |account| account.wallet.snapshot().balance);
        SubaccountView { listed, balance }
    };
    Ok(listed.into_iter().map(view).collect())
}

/// Creates a subaccount of a client, with the client's plan. Its API key and SIP account are created on request.
pub async fn create(
    services: &Services,
    client: &Account,
    new: NewSubaccount,
) -> Result<SubaccountView, SubaccountError> {
    let profile = profile(new)?;
    let mut tx = create::begin(services).await?;
    let above = tx.account_by_login(&client.login).await?;
    let above = above.filter(|above| above.id == client.id).ok_or(SubaccountError::Unknown)?;
    if tx.count_subaccounts(above.id).await? >= MAX_SUBACCOUNTS
        || tx.count_subaccounts_ever(above.id).await? >= MAX_EVER
    {
        return Err(SubaccountError::TooMany);
    }
    let login = free_login(&mut tx).await?;
    let fresh =
        create::fresh(services, &mut tx, login, Kind::Subaccount, Some(above.id), above.plan_id, Money::ZERO);
    let account = AccountRecord {
        // The limits on concurrent calls and on calls per second bound the client only if each of its subaccounts has
        // them too. Prices, prefixes and lengths are bounded by the client's own settings whenever a subaccount calls.
        limits: AccountLimits {
            max_calls: above.limits.max_calls,
            calls_per_second: above.limits.calls_per_second,
            daily_spend: above.limits.daily_spend,
            ..AccountLimits::default()
        },
        ..fresh.await?
    };
    tx.insert_account(&account).await?;
    tx.insert_subaccount(account.id).await?;
    tx.put_profile(account.id, &profile).await?;
    tx.append_feed(FEED_ACCOUNT, account.id, account.created_at).await?;
    tx.commit().await?;
    services.reload_account(account.id).await?;
    let listed = ListedSubaccount {
        account_id: account.id,
        login: account.login,
        contact_name: profile.contact_name,
        email: profile.email,
        company: profile.company,
        top_up: None,
        spent: Money::ZERO,
    };
    Ok(SubaccountView { listed, balance: Money::ZERO })
}

/// Deletes a subaccount: new calls are refused, live calls end, its keys are revoked, and its money returns to its
/// client, including the remainder of its last calls.
pub async fn delete(services: &Services, client: &Arc<Account>, id: &str) -> Result<(), SubaccountError> {
    let _lock = services.lock_account(client.id).await;
    let mut tx = create::begin(services).await?;
    let mut account = own(&mut tx, client, id).await?;
    let now = services.clock.now();
    tx.delete_subaccount(account.id, now).await?;
    account.active = false;
    tx.update_account(&account).await?;
    for key in tx.keys_of(account.id).await? {
        tx.revoke_key(key.id, now).await?;
    }
    let mut peers = tx.peers_of(account.id).await?;
    // Delete IP peers before the SIP account that they belong to.
    peers.sort_by_key(|peer| peer.sip_account.is_none());
    for peer in &peers {
        tx.delete_peer(&peer.name).await?;
    }
    if peers.iter().any(|peer| peer.name == account.login) {
        // The login stays reserved.
        tx.insert_name(&account.login, account.id).await?;
    }
    tx.append_feed(FEED_ACCOUNT, account.id, now).await?;
    tx.commit().await?;
    services.reload_account(account.id).await?;
    let live = services.memory().await?.directory.account(account.id);
    if let Some(live) = live
        && let Err(error) = give_back_rest(services, &live, client).await
    {
        // The account is deleted; its money is moved once the database is reachable.
        tracing::warn!(account.login = %account.login, %error, "a deleted subaccount's money is moved later");
        services.memory().await?.directory.wallet_watch().look_at(&live);
    }
    Ok(())
}

/// Transfers money from a client to its subaccount, from the client's own money without its credit limit. A repetition
/// with the same key of the caller transfers nothing more.
pub async fn transfer(
    services: &Services,
    client: &Arc<Account>,
    id: &str,
    amount: Money,
    key: Option<&str>,
) -> Result<(), SubaccountError> {
    if amount == Money::ZERO || !fits(amount) {
        return Err(SubaccountError::Amount);
    }
    let account = find(services, client, id).await?;
    let _lock = services.lock_account(client.id).await;
    let reference = match key {
        Some(key) => Reference { scope: client.id, text: format!("key/{key}") },
        None => fresh_reference(client, "sub"),
    };
    let note = format!("transfer to subaccount {}", account.login);
    let posting = moved(services, "transfer", (client, &account), amount, reference, note);
    let posting = posting.ok_or(SubaccountError::Amount)?;
    if key.is_some() {
        // The balance may have been spent since the first transfer.
        match services.store.posted_before(&posting).await? {
            None => {}
            Some(Ok(_)) => return Ok(()),
            Some(Err(PostingRefusal::ReferenceTaken { .. } | _)) => {
                return Err(SubaccountError::ReferenceTaken);
            }
        }
    }
    // The account may have been deleted while this request waited for the lock.
    if services.memory().await?.directory.wallet_watch().is_deleted(account.id) {
        return Err(SubaccountError::Unknown);
    }
    move_money(services, posting, &OwnMoneyAlone).await?;
    Ok(())
}

/// Finds a subaccount of this client; fails with `Unknown` if the client has none of this id.
pub async fn find(services: &Services, client: &Account, id: &str) -> Result<Arc<Account>, SubaccountError> {
    let directory = &services.memory().await?.directory;
    let account = directory.account_named(id);
    account
        .filter(|account| account.client_above().is_some_and(|above| above.id == client.id))
        .filter(|account| !directory.wallet_watch().is_deleted(account.id))
        .ok_or(SubaccountError::Unknown)
}

/// Sets a subaccount's automatic top-up and arms it; an amount of zero disables it.
pub async fn set_top_up(
    services: &Services,
    client: &Arc<Account>,
    id: &str,
    setting: TopUpSetting,
) -> Result<(), SubaccountError> {
    if !fits(setting.threshold) || !fits(setting.amount) {
        return Err(SubaccountError::Amount);
    }
    // The lock excludes concurrent top-ups: one under the old setting has disarmed the top-up already, or runs later.
    let _lock = services.lock_account(client.id).await;
    let mut tx = create::begin(services).await?;
    let account = own(&mut tx, client, id).await?;
    tx.set_top_up(account.id, setting).await?;
    tx.append_feed(FEED_ACCOUNT, account.id, services.clock.now()).await?;
    tx.commit().await?;
    services.reload_account(account.id).await?;
    services.memory().await?.directory.wallet_watch().note(account.id, |top_up| {
        top_up.armed = true;
        top_up.stored_armed = true;
    });
    Ok(())
}

/// Reports whether an amount can be transferred or be a threshold.
fn fits(amount: Money) -> bool {
    !amount.is_negative() && amount <= MAX_AMOUNT && amount.nanos() % SMALLEST_STEP_NANOS == 0
}

/// Reads a client's subaccount that is not deleted.
async fn own(tx: &mut Tx, client: &Account, id: &str) -> Result<AccountRecord, SubaccountError> {
    let account = tx.account_by_login(id).await?;
    let account = account.filter(|a| a.kind == Kind::Subaccount && a.parent_id == Some(client.id));
    let account = account.ok_or(SubaccountError::Unknown)?;
    match tx.subaccount(account.id).await? {
        Some(subaccount) if !subaccount.deleted => Ok(account),
        _ => Err(SubaccountError::Unknown),
    }
}

/// Generates a random login that is not a trunk's name either, because it becomes a peer's name.
async fn free_login(tx: &mut Tx) -> Result<String, SubaccountError> {
    loop {
        let login = create::free_login(tx).await?;
        if !tx.trunk_endpoint_exists(&login).await? {
            return Ok(login);
        }
    }
}

fn profile(new: NewSubaccount) -> Result<Profile, SubaccountError> {
    let email = new.email.trim();
    if !is_email(email) {
        return Err(SubaccountError::Email);
    }
    let company = new.company.filter(|company| !company.is_empty());
    let is_name = |name: &str| name.chars().count() <= MAX_NAME_CHARS && !name.chars().any(char::is_control);
    if !is_name(&new.name) || !company.as_deref().is_none_or(is_name) {
        return Err(SubaccountError::Name);
    }
    Ok(Profile { email: Some(email.to_owned()), contact_name: Some(new.name), company, ..Profile::default() })
}

/// Reports whether a text has the form of a mail address: text, one `@`, a domain with a dot. It does not check that
/// the address exists.
fn is_email(text: &str) -> bool {
    let is_plain = |c: char| !c.is_control() && !c.is_whitespace() && !"<>()[],;:\\\"".contains(c);
    let Some((local, domain)) = text.split_once('@') else { return false };
    let labels_are_good = domain.split('.').all(|label| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    });
    text.chars().count() <= MAX_EMAIL_CHARS
        && !local.is_empty()
        && local.chars().all(is_plain)
        && domain.contains('.')
        && labels_are_good
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_addresses_are_told_from_other_text() {
        for good in ["john.doe@acme-inc.com", "sms@acme-company1.com", "a+b@x.co.uk", "jörg@müller.de"] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "", "a", "a@", "@b.de", "a@b", "a@b..de", "a b@c.de", "a@b@c.de", "a@-b.de", "a@b.de\n",
            "<a@b.de>",
        ] {
            assert!(!is_email(bad), "{bad}");
        }
        assert!(!is_email(&format!("{}@b.de", "a".repeat(300))));
    }

    #[test]
    fn amounts_have_six_decimals_and_a_bound() {
        let fits = |text: &str| fits(Money::parse(text).unwrap());
        assert!(fits("0") && fits("12.00") && fits("0.000001") && fits("1000000"));
        assert!(!fits("-1") && !fits("0.0000001") && !fits("1000000.000001"));
    }
}
