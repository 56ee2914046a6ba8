//! The part of the audit that is about data packages: an order that has its eSIM was charged once, and its buyer paid its
//! price; an order that waits has its price held and was not charged; one that failed has neither. And nothing is held or
//! charged for an order that is none.
//!
//! A page is one statement, so that orders which are settled meanwhile are seen before or after, not in between.

use super::audit::Audit;
use crate::store::audit_esim::EsimOrderFacts;
use crate::store::{Store, StoreError};

/// Proves every order.
pub(super) async fn check(audit: &mut Audit, store: &Store) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let page = store.audit_esim_orders(after).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for order in &page {
            check_order(audit, order);
        }
    }
    for (what, reference) in store.audit_esim_strays().await? {
        audit.differs("esim", format!("{what} {reference}"), &"an order of its own", &"none");
    }
    Ok(())
}

fn check_order(audit: &mut Audit, order: &EsimOrderFacts) {
    let expected = match order.status.as_str() {
        "PENDING" => Found { posted: None, paid: None, held: Some(order.price), is_held: true },
        "FAILED" => Found { posted: None, paid: None, held: None, is_held: false },
        _ => Found {
            posted: Some(order.tx_id.unwrap_or(-1)),
            paid: order.price.checked_neg(),
            held: None,
            is_held: false,
        },
    };
    let found =
        Found { posted: order.posted_tx, paid: order.paid, held: order.held, is_held: order.holds > 0 };
    if expected != found {
        let subject = format!("{} eSIM order {}", order.status, order.id);
        audit.differs("esim", subject, &format!("{expected:?}"), &format!("{found:?}"));
    }
}

/// What the book has of an order.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    posted: Option<i64>,
    paid: Option<i64>,
    held: Option<i64>,
    is_held: bool,
}
