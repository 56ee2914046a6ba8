//! Accounts' money: entries, group commit, audit.
//!
//! The [`Ledger`] is a handle to one writer task. Callers queue facts; the writer collects the queue, writes it in one
//! transaction and acknowledges each caller after the commit that holds its row. The higher the load, the more calls
//! share a commit; an idle ledger commits a call at once.
//!
//! | operation | when the queue is full | acknowledged |
//! |---|---|---|
//! | [`Ledger::settle`] | waits | after the commit, once by its key |
//! | [`Ledger::void`] | waits | after the commit |
//! | [`Ledger::post`] | waits | after the commit, if its epoch still owns |
//! | [`Ledger::open_call`] | is dropped and counted | never waits; written if its epoch still owns |
//! | [`Ledger::attempt`] | is counted instead of recorded | never waits |
//!
//! A row that the database refuses fails alone: the rest of its batch is written without it. While the database is
//! unavailable the writer retries for [`LedgerLimits::patience`] and then returns [`LedgerError::Unavailable`] to each
//! caller; it resumes by itself when the database is back. The [`Spool`] keeps such settlements on this machine until
//! then.

mod attempts;
pub mod audit;
mod counters;
mod error;
mod handle;
mod inbox;
mod limits;
pub mod spool;
mod text;
mod writer;

pub use self::{
    counters::LedgerCounters,
    error::LedgerError,
    handle::Ledger,
    limits::LedgerLimits,
    spool::{Spool, Taken},
};
pub use crate::store::{
    balances::Balance,
    batch::{PostingRefusal, RecordedCall, Replaced, Settled},
    cdr::{
        BuyCost, CallKey, CallKind, CdrDraft, Direction, Disposition, DurationSource, PayerCharge,
        RefusedAttempt, RouteAttempt, Settlement, TrunkUsed,
    },
    open_calls::{Held, OpenCall},
    posting::{
        CALL_REVENUE, Fence, LAST_SYSTEM_ACCOUNT, MESSAGE_REVENUE, OPERATOR_FUNDS, PACKAGE_REVENUE, Posted,
        Posting, PostingLine, RESELLER_CREDIT, RESOLD_CALLS, RESOLD_MESSAGES, RESOLD_PACKAGES, Reference,
        TaxBase,
    },
};
