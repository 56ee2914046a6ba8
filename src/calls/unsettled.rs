//! Records of ended calls in Asterisk's database, family `tg_unsettled`.
//!
//! The dialplan's hangup handler first writes `tg_unsettled/<unique id>.<leg>`, calls `settle`, and deletes the record
//! when the charge is durable. Remaining records belong to calls that ended while Tollgate was unreachable, and hold
//! their exact duration: `1|ticket|answered ms|DIALSTATUS|cause|route|server|leg|answer µs|hangup µs|attempts|extras`.

use std::collections::HashSet;

use super::error::SettleError;
use super::request::{RequestError, SettleRequest};
use super::state::Calls;
use crate::ami::{AmiError, Link};
use crate::ledger::{DurationSource, LedgerError};

/// Family in Asterisk's database.
pub const FAMILY: &str = "tg_unsettled";
/// Layout version that the dialplan writes.
const VERSION: &str = "1";

/// Reasons why a record is not a settle request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Another layout version, or a wrong number of fields.
    #[error("the record is not of layout {VERSION}")]
    Layout,
    /// The key is not `<unique id>.<leg>`, or names another leg than the fields.
    #[error("the record's key names another call")]
    Key,
    /// A field cannot be read.
    #[error(transparent)]
    Field(#[from] RequestError),
}

/// Parses a record; `key` is without the family.
pub fn read(key: &str, value: &str) -> Result<SettleRequest, RecordError> {
    let mut fields = value.split('|');
    if fields.next() != Some(VERSION) {
        return Err(RecordError::Layout);
    }
    let arguments: Vec<&str> = fields.collect();
    if arguments.len() != 11 {
        return Err(RecordError::Layout);
    }
    let (unique_id, leg) = key.rsplit_once('.').ok_or(RecordError::Key)?;
    let request = SettleRequest::parse(unique_id, &arguments)?;
    if request.key.leg.to_string() != leg {
        return Err(RecordError::Key);
    }
    Ok(request)
}

/// Records that were reported as unreadable: each is reported once.
#[derive(Debug, Default)]
pub struct KnownBad(HashSet<String>);

/// Result of a single reading of a server's records.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Number of records settled now, or found settled, and deleted.
    pub settled: usize,
    /// Number of records left for later: another request has the call locked, or the charge is not durable yet.
    pub waiting: usize,
    /// Number of records that are unreadable or not issued by this service; they are left in place.
    pub unreadable: usize,
}

/// Settles the calls of a server's records. Unreadable records are reported once and left.
pub async fn drain(calls: &Calls, link: &Link, known_bad: &mut KnownBad) -> Result<Drained, AmiError> {
    let mut drained = Drained::default();
    let records = link.db_get_tree(FAMILY).await?;
    // Forget records that an operator has removed.
    known_bad.0.retain(|known| records.iter().any(|(key, _)| key == known));
    for (key, value) in records {
        let outcome = match read(&key, &value) {
            Ok(request) if request.key.server == link.server() => settle(calls, &request).await,
            Ok(request) => Outcome::Bad(format!("it is of server {:?}", request.key.server)),
            Err(error) => Outcome::Bad(error.to_string()),
        };
        match outcome {
            Outcome::Done => {
                drained.settled += 1;
                // The dialplan may have deleted the record itself.
                link.db_del(FAMILY, &key).await?;
            }
            Outcome::Later => drained.waiting += 1,
            Outcome::Bad(reason) => {
                drained.unreadable += 1;
                if known_bad.0.insert(key.clone()) {
                    tracing::error!(
                        server = link.server(),
                        record = key,
                        reason,
                        "a record of an ended call is left where it is"
                    );
                }
            }
        }
    }
    Ok(drained)
}

enum Outcome {
    Done,
    Later,
    Bad(String),
}

async fn settle(calls: &Calls, request: &SettleRequest) -> Outcome {
    match calls.settle_from(request, DurationSource::Astdb).await {
        Ok(outcome) => {
            tracing::info!(
                call.id = %request.key,
                call.answered_ms = request.answered_ms,
                outcome = outcome.as_str(),
                "call settled from its record"
            );
            Outcome::Done
        }
        Err(
            SettleError::InProgress
            // Waits until the call ends otherwise.
            | SettleError::NoTicket
            | SettleError::Store(_)
            | SettleError::Ledger(LedgerError::Unavailable(_) | LedgerError::Spool(_) | LedgerError::Stopped),
        ) => Outcome::Later,
        Err(error) => Outcome::Bad(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = "1|dGlja2V0|4200|ANSWER|16|2|ast1|1|1763800000000000|1763800004200000|1:CHANUNAVAIL:34:12;2:ANSWER:16:4300;|sip_call_id=a@b;hung_up_by=caller";

    #[test]
    fn a_record_is_the_settle_request_that_was_not_answered() {
        let request = read("ast1-1763799990.7.1", RECORD).unwrap();
        assert_eq!(request.key.to_string(), "ast1/ast1-1763799990.7.1");
        assert_eq!((request.answered_ms, request.route, request.cause), (4_200, 2, Some(16)));
        assert_eq!(request.attempts.len(), 2);
        assert_eq!(request.extras.get("hung_up_by"), Some("caller"));
    }

    #[test]
    fn what_is_no_record_of_this_layout_is_refused() {
        assert_eq!(read("a.1", "2|x").unwrap_err(), RecordError::Layout);
        assert_eq!(read("a.1", &RECORD.replacen("|16|", "|", 1)).unwrap_err(), RecordError::Layout);
        assert_eq!(read("ast1-1", RECORD).unwrap_err(), RecordError::Key);
        assert_eq!(read("ast1-1.2", RECORD).unwrap_err(), RecordError::Key);
        assert!(matches!(
            read("ast1-1.1", &RECORD.replace("4200|", "x|")).unwrap_err(),
            RecordError::Field(_)
        ));
    }
}
