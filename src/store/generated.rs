//! Statements with generated texts, because each covers many rows.

use super::{attempts, batch, cdr_rows, messages, open_calls};

/// Returns the name and text of every generated statement, so that a test can prepare each on both databases.
pub fn generated_queries() -> Vec<(String, String)> {
    let all = [
        &batch::TRANSACTIONS,
        &batch::ENTRIES,
        &batch::CALL_KEYS,
        &cdr_rows::CDRS,
        &cdr_rows::PAYERS,
        &open_calls::OPENED,
        &open_calls::CLOSED,
        &attempts::REFUSALS,
        &messages::MESSAGES,
    ];
    all.into_iter().flat_map(|many| many.texts()).collect()
}
