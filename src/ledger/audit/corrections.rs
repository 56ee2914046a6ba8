//! Audits replaced records: a record written without the call's ticket and replaced by the settlement with the ticket
//! has its charges cancelled, once and exactly; no other reversal exists.

use std::collections::{BTreeMap, HashMap};

use super::{Audit, expected_entries};
use crate::store::audit::{CallEntryRow, PayerRow, corrections::CorrectionPage};
use crate::store::{Head, Store, StoreError};

/// Audits every correction.
pub(super) async fn check(audit: &mut Audit, store: &Store, head: Head) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let CorrectionPage { corrections, payers, entries } = store.audit_corrections(after, head).await?;
        let Some(last) = corrections.last() else { break };
        after = last.replaced_cdr;
        let mut entries_of: HashMap<i64, BTreeMap<i64, i128>> = HashMap::new();
        for CallEntryRow { tx_id, account_id, amount } in entries {
            *entries_of.entry(tx_id).or_default().entry(account_id).or_insert(0) += i128::from(amount);
        }
        let mut payers_of: HashMap<i64, Vec<PayerRow>> = HashMap::new();
        for payer in payers {
            payers_of.entry(payer.cdr_id).or_default().push(payer);
        }
        for correction in corrections {
            let payers = payers_of.remove(&correction.replaced_cdr).unwrap_or_default();
            let mut expected = expected_entries(&payers);
            for amount in expected.values_mut() {
                *amount = -*amount;
            }
            let found = correction.reversal_tx.and_then(|tx| entries_of.remove(&tx)).unwrap_or_default();
            if expected != found {
                let subject = format!("replaced call {}", correction.replaced_cdr);
                audit.differs("reversal", subject, &format!("{expected:?}"), &format!("{found:?}"));
            }
        }
    }
    for tx_id in store.audit_reversal_strays(head).await? {
        audit.differs("reversal", format!("transaction {tx_id}"), &"a replaced call", &"none");
    }
    Ok(())
}
