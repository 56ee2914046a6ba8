//! The part of the audit that is about data packages: an order that has its eSIM was charged in one transaction, of which
//! the entries are exactly what its buyer and each reseller above pays, and who gets it; of an order that waits exactly
//! these shares are held, and nothing was charged; one that failed has neither. And nothing is held or charged for an order
//! that is none.
//!
//! A page is one statement, so that orders which are settled meanwhile are seen before or after, not in between.

use std::collections::BTreeMap;

use super::Audit;
use crate::store::audit::esim::EsimOrderFact;
use crate::store::posting::{PACKAGE_REVENUE, RESOLD_PACKAGES};
use crate::store::{Store, StoreError};

/// Proves every order.
pub(super) async fn check(audit: &mut Audit, store: &Store) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let page = store.audit_esim_orders(after).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for facts in page.chunk_by(|one, next| one.id == next.id) {
            check_order(audit, facts);
        }
    }
    for (what, reference) in store.audit_esim_strays().await? {
        audit.differs("esim", format!("{what} {reference}"), &"an order of its own", &"none");
    }
    Ok(())
}

/// What the book has, or should have, of an order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Book {
    /// Its transaction.
    posted: Option<i64>,
    /// What that adds to each account.
    entries: BTreeMap<i64, i128>,
    /// What is held of each payer, from the buyer up.
    held: Vec<(i64, i64)>,
}

fn check_order(audit: &mut Audit, facts: &[EsimOrderFact]) {
    let Some(order) = facts.first() else { return };
    let of = |what: &'static str| facts.iter().filter(move |fact| fact.what == what);
    let shares: Vec<(i64, i64)> = of("payer")
        .map(|payer| (payer.account_id, if payer.place == 0 { order.price } else { order.wholesale }))
        .collect();
    let expected = match order.status.as_str() {
        "PENDING" => Book { held: shares, ..Book::default() },
        "FAILED" => Book::default(),
        // A transaction that is not named is none that was posted.
        _ => Book { posted: Some(order.tx_id.unwrap_or(-1)), entries: charged(&shares), held: Vec::new() },
    };
    let mut found = Book {
        posted: of("posted").map(|fact| fact.amount).next(),
        held: of("held").map(|fact| (fact.account_id, fact.amount)).collect(),
        entries: BTreeMap::new(),
    };
    for entry in of("entry") {
        *found.entries.entry(entry.account_id).or_insert(0) += i128::from(entry.amount);
    }
    if expected != found {
        let subject = format!("{} eSIM order {}", order.status, order.id);
        audit.differs("esim", subject, &format!("{expected:?}"), &format!("{found:?}"));
    }
}

/// What the shares do to each account when they are charged.
fn charged(shares: &[(i64, i64)]) -> BTreeMap<i64, i128> {
    let mut entries = BTreeMap::new();
    for (position, (account_id, amount)) in (1..).zip(shares) {
        let collected = if position == shares.len() { PACKAGE_REVENUE } else { RESOLD_PACKAGES };
        *entries.entry(*account_id).or_insert(0) -= i128::from(*amount);
        *entries.entry(collected).or_insert(0) += i128::from(*amount);
    }
    entries
}
