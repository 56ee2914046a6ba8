//! Audits eSIM orders. An order with its eSIM was charged in one transaction whose entries are exactly the amounts paid
//! by its buyer and each reseller above, and their recipients. For a waiting order exactly these shares are held and
//! nothing was charged. A failed order has neither. Nothing is held or charged for an order that does not exist.
//!
//! Each page is read by one statement, so that an order settled meanwhile is seen either before or after, never in
//! between.

use std::collections::BTreeMap;

use super::Audit;
use crate::store::audit::esim::EsimOrderFact;
use crate::store::posting::{PACKAGE_REVENUE, RESOLD_PACKAGES};
use crate::store::{Store, StoreError};

/// Audits every order.
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

/// Ledger state of an order, actual or expected.
#[derive(Debug, Default, PartialEq, Eq)]
struct Book {
    /// Id of its transaction.
    posted: Option<i64>,
    /// Effect of that transaction on each account.
    entries: BTreeMap<i64, i128>,
    /// Amount held of each payer, from the buyer up.
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
        // A missing transaction id matches no posted transaction.
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

/// Computes the effect of the shares on each account when they are charged.
fn charged(shares: &[(i64, i64)]) -> BTreeMap<i64, i128> {
    let mut entries = BTreeMap::new();
    for (position, (account_id, amount)) in (1..).zip(shares) {
        let collected = if position == shares.len() { PACKAGE_REVENUE } else { RESOLD_PACKAGES };
        *entries.entry(*account_id).or_insert(0) -= i128::from(*amount);
        *entries.entry(collected).or_insert(0) += i128::from(*amount);
    }
    entries
}
