//! Registers the metrics of every part of the running server.

use std::sync::Arc;

use super::sockets::Sockets;
use crate::accounts::hashing::HASHER;
use crate::ami::Links;
use crate::calls::Calls;
use crate::ledger::Ledger;
use crate::messaging::Messaging;
use crate::metrics::{Metrics, Registry, register_ledger, register_spool};
use crate::peers::realtime::Realtime;

/// The parts of a running server with metrics.
pub(super) struct Sources<'a> {
    pub(super) metrics: &'a Arc<Metrics>,
    pub(super) ledger: &'a Ledger,
    pub(super) calls: &'a Arc<Calls>,
    pub(super) messaging: &'a Arc<Messaging>,
    pub(super) realtime: &'a Arc<Realtime>,
    pub(super) links: &'a Links,
    pub(super) sockets: &'a Arc<Sockets>,
}

/// Builds the registry of all metrics of these parts.
pub(super) fn registry(sources: &Sources<'_>) -> Registry {
    let mut registry = Registry::default();
    sources.metrics.register(&mut registry);
    let calls = Arc::clone(sources.calls);
    registry.gauge("tollgate_calls_open", "Open calls", move || calls.open_calls() as u64);
    register_ledger(&mut registry, sources.ledger);
    register_spool(&mut registry, &sources.calls.spool);
    sources.realtime.register_metrics(&mut registry);
    sources.links.register_metrics(&mut registry);
    sources.messaging.register_metrics(&mut registry);
    HASHER.register_metrics(&mut registry);
    sources.sockets.register_metrics(&mut registry);
    registry
}
