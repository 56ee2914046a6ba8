//! Metrics of the ledger and of the spool before it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::registry::Registry;
use crate::ledger::spool::SpoolCounters;
use crate::ledger::{Ledger, LedgerCounters, Spool};

type Counter<C> = (&'static str, &'static str, fn(&C) -> &AtomicU64);

const LEDGER: [Counter<LedgerCounters>; 9] = [
    ("tollgate_ledger_settlements_total", "Calls settled in the ledger", |of| &of.settled),
    ("tollgate_ledger_duplicates_total", "Settlements of calls that the ledger had settled before", |of| {
        &of.duplicates
    }),
    ("tollgate_ledger_postings_total", "Postings written", |of| &of.posted),
    ("tollgate_ledger_batches_total", "Transactions committed by the ledger", |of| &of.batches),
    ("tollgate_ledger_refused_rows_total", "Rows that the database refused", |of| &of.refused_rows),
    ("tollgate_ledger_unavailable_total", "Batches given up because the database was unavailable", |of| {
        &of.unavailable
    }),
    ("tollgate_ledger_openings_dropped_total", "Granted calls that were not journalled", |of| {
        &of.openings_dropped
    }),
    ("tollgate_ledger_refusals_recorded_total", "Refused calls with a CDR", |of| &of.attempts_recorded),
    ("tollgate_ledger_refusals_counted_total", "Refused calls counted without a CDR", |of| {
        &of.attempts_counted
    }),
];

const SPOOL: [Counter<SpoolCounters>; 4] = [
    ("tollgate_spool_kept_total", "Ended calls put into the spool", |of| &of.kept),
    ("tollgate_spool_drained_total", "Ended calls of the spool written to the ledger", |of| &of.drained),
    ("tollgate_spool_refused_total", "Ended calls of the spool that the database refused", |of| &of.refused),
    ("tollgate_spool_failed_total", "Ended calls that the spool could not keep", |of| &of.failed),
];

const SPOOL_GAUGES: [Counter<SpoolCounters>; 2] = [
    ("tollgate_spool_records", "Ended calls that wait for the database", |of| &of.records),
    ("tollgate_spool_bytes", "Bytes of the spool's file", |of| &of.bytes),
];

/// Registers the metrics of the ledger.
pub fn register_ledger(registry: &mut Registry, ledger: &Ledger) {
    for (name, help, counter) in LEDGER {
        let ledger = ledger.clone();
        registry.counter(name, help, move || counter(ledger.counters()).load(Ordering::Relaxed));
    }
    let ledger = ledger.clone();
    registry.gauge("tollgate_ledger_queue", "Commands that wait to be written by the ledger", move || {
        ledger.queued() as u64
    });
}

/// Registers the metrics of the spool.
pub fn register_spool(registry: &mut Registry, spool: &Spool) {
    for (name, help, counter) in SPOOL {
        let spool = spool.clone();
        registry.counter(name, help, move || counter(spool.counters()).load(Ordering::Relaxed));
    }
    for (name, help, gauge) in SPOOL_GAUGES {
        let spool = spool.clone();
        registry.gauge(name, help, move || gauge(spool.counters()).load(Ordering::Relaxed));
    }
}
