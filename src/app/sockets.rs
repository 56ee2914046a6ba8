//! File descriptors: the process raises its limit as far as allowed and sizes the listeners' caps to it.
//!
//! Every connection uses one descriptor. A listener without a descriptor cannot accept, and unaccepted connections wait
//! silently in the kernel's queue; Asterisk would wait there without limit. The caps therefore leave a reserve for
//! everything else, and where they do not fit they are lowered: HTTP first, FastAGI last.

use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tollgate_agi::server::Counters;

use crate::config::{Config, EsimKind};
use crate::control::{ListenerView, SocketsView};
use crate::esim::simulator;
use crate::listen::{self, CLOSING, Caps, Counted, Meter};
use crate::metrics::Registry;

/// Descriptors reserved for the process itself: database, spool, log, runtime, listeners.
const RESERVE: usize = 160;
/// Descriptors reserved per Asterisk manager link, including a replacement connection.
const RESERVE_PER_ASTERISK: usize = 4;
/// Descriptors reserved for the connections to an SMS provider.
const RESERVE_PER_PROVIDER: usize = 32;
/// Descriptors reserved for the connections to the eSIM upstream.
const RESERVE_ESIM: usize = 16;
/// Minimum of a lowered cap.
const LEAST: usize = 8;
/// Divisor of the available descriptors for HTTP when caps are lowered; the internal listener gets half of that part.
const HTTP_PART: usize = 8;

/// Connection caps that fit into the descriptor limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// Maximum number of open file descriptors.
    pub limit: usize,
    /// Number of these reserved for everything except the listeners' connections.
    pub reserve: usize,
    /// Cap of FastAGI connections.
    pub fastagi: usize,
    /// Cap of the internal listener.
    pub internal: usize,
    /// Cap of the public HTTP listener.
    pub http: usize,
}

impl Fit {
    /// Fits the configured caps into `limit` descriptors.
    pub fn of(config: &Config, limit: usize) -> Self {
        let simulated = if matches!(config.esim.kind, EsimKind::Simulator) {
            // Both ends of a connection to the simulator belong to this process.
            2 * simulator::MAX_CONNECTIONS
        } else {
            0
        };
        let reserve = RESERVE
            + 2 * CLOSING
            + RESERVE_PER_ASTERISK * config.asterisk.len()
            + RESERVE_PER_PROVIDER * config.sms.provider.len()
            + RESERVE_ESIM
            + simulated;
        let available = limit.saturating_sub(reserve);
        let (mut fastagi, mut internal, mut http) =
            (config.fastagi.max_connections, config.internal.max_connections, config.http.max_connections);
        let mut excess = fastagi.saturating_add(internal).saturating_add(http).saturating_sub(available);
        let mut lower = |cap: &mut usize, floor: usize| {
            let less = excess.min(cap.saturating_sub(floor));
            *cap -= less;
            excess -= less;
        };
        lower(&mut http, (available / HTTP_PART).max(LEAST));
        lower(&mut internal, (available / HTTP_PART / 2).max(LEAST));
        lower(&mut fastagi, LEAST);
        Self { limit, reserve, fastagi, internal, http }
    }

    /// Returns the caps of the public listener.
    pub fn http_caps(&self, config: &Config) -> Caps {
        let per_address = config.http.connections_per_address.min(self.http);
        Caps {
            connections: self.http,
            per_address: leave_some(per_address, self.http, config.http.max_connections),
        }
    }

    /// Returns the caps of the internal listener.
    pub fn internal_caps(&self, config: &Config) -> Caps {
        let (own, configured) = (&config.internal, config.internal.max_connections);
        let per_address = own.connections_per_address.min(self.internal);
        Caps { connections: self.internal, per_address: leave_some(per_address, self.internal, configured) }
    }
}

/// Lowers a share per address in proportion to its cap, so that one address cannot use all of it.
fn leave_some(per_address: usize, cap: usize, configured: usize) -> usize {
    if cap < configured { per_address.min((cap / 2).max(1)) } else { per_address }
}

/// Raises the process's limit of file descriptors as far as allowed and returns the resulting limit.
pub fn raise_limit() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let size =
        |limit: Option<u64>| limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    if current == maximum {
        return size(current);
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => size(maximum),
        Err(error) => {
            tracing::warn!(%error, "the limit of file descriptors could not be raised");
            size(current)
        }
    }
}

/// Raises the limit, fits the caps into it, and logs both.
pub fn fit(config: &Config) -> Fit {
    let fit = Fit::of(config, raise_limit());
    let Fit { limit, reserve, fastagi, internal, http } = fit;
    tracing::info!(
        descriptors.limit = limit,
        descriptors.reserve = reserve,
        fastagi.connections = fastagi,
        internal.connections = internal,
        http.connections = http,
        "file descriptors"
    );
    for (key, cap, configured) in lowered(config, &fit) {
        tracing::warn!(
            key,
            configured,
            cap,
            "the limit of file descriptors is too low for this cap: raise LimitNOFILE or `ulimit -n`"
        );
    }
    fit
}

/// Lists the caps that are lower than configured.
fn lowered(config: &Config, fit: &Fit) -> impl Iterator<Item = (&'static str, usize, usize)> {
    let caps = [
        ("fastagi.max_connections", fit.fastagi, config.fastagi.max_connections),
        ("internal.max_connections", fit.internal, config.internal.max_connections),
        ("http.max_connections", fit.http, config.http.max_connections),
    ];
    caps.into_iter().filter(|(_, cap, configured)| cap < configured)
}

/// The listeners of a serving process.
#[derive(Debug)]
pub struct Sockets {
    fit: Fit,
    fastagi: Arc<Counters>,
    http: Vec<Arc<Meter>>,
}

impl Sockets {
    /// Combines FastAGI's counters and the HTTP listeners' meters.
    pub fn new(fit: Fit, fastagi: Arc<Counters>, http: Vec<Arc<Meter>>) -> Self {
        Self { fit, fastagi, http }
    }

    fn counted(&self) -> Vec<Counted> {
        let fastagi = Counted {
            listener: "fastagi",
            cap: self.fit.fastagi,
            open: self.fastagi.open(),
            evicted: 0,
            refused_address: self.fastagi.refused_address(),
            refused_share: self.fastagi.refused_share(),
            refused_full: self.fastagi.refused_full(),
            refused_descriptors: self.fastagi.refused_descriptors(),
            accept_errors: self.fastagi.accept_errors(),
            last_refused: None,
        };
        std::iter::once(fastagi).chain(self.http.iter().map(|meter| meter.counted())).collect()
    }

    /// Registers the metrics of the listeners.
    pub fn register_metrics(self: &Arc<Self>, registry: &mut Registry) {
        let sockets = Arc::clone(self);
        listen::register_metrics(registry, move || sockets.counted());
        let fastagi = Arc::clone(&self.fastagi);
        let help = "FastAGI connections accepted from allowed addresses";
        registry.counter("tollgate_fastagi_connections_total", help, move || fastagi.accepted());
        let fastagi = Arc::clone(&self.fastagi);
        let help = "FastAGI connections closed because their environment was refused or late";
        registry.counter("tollgate_fastagi_environment_refused_total", help, move || {
            fastagi.refused_environment()
        });
    }

    /// Returns the view shown by `doctor`.
    pub fn view(&self) -> SocketsView {
        let view = |of: &Counted| ListenerView {
            listener: of.listener.to_owned(),
            cap: of.cap,
            open: of.open,
            refused: of.refused_share + of.refused_full + of.refused_descriptors,
            refused_address: of.last_refused.map(|address| address.to_string()),
        };
        let listeners = self.counted().iter().map(view).collect();
        SocketsView { limit: self.fit.limit, reserve: self.fit.reserve, listeners }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_that_fit_stay_as_configured() {
        let config = Config::default();
        let fit = Fit::of(&config, 65_536);
        assert_eq!((fit.fastagi, fit.internal, fit.http), (4_096, 512, 1_024));
        assert_eq!(fit.http_caps(&config), Caps { connections: 1_024, per_address: 256 });
        assert_eq!(fit.internal_caps(&config), Caps { connections: 512, per_address: 128 });
    }

    #[test]
    fn http_gives_way_first_and_fastagi_last() {
        let config = Config::default();
        let fit = Fit::of(&config, 5_600);
        assert_eq!((fit.fastagi, fit.internal), (4_096, 512));
        assert!((600..1_024).contains(&fit.http), "{fit:?}");
        let fit = Fit::of(&config, 1_024);
        assert!(fit.fastagi > 600 && fit.http >= 64 && fit.internal >= 32, "{fit:?}");
        assert!(fit.fastagi + fit.internal + fit.http + fit.reserve <= 1_024, "{fit:?}");
        let share = fit.http_caps(&config).per_address;
        assert!(share <= fit.http / 2, "{share}");
    }

    #[test]
    fn any_limit_leaves_every_listener_something() {
        for limit in [0, 64, 256, 300] {
            let fit = Fit::of(&Config::default(), limit);
            assert!(fit.fastagi >= LEAST && fit.internal >= LEAST && fit.http >= LEAST, "{fit:?}");
        }
        assert_eq!(Fit::of(&Config::default(), usize::MAX).fastagi, 4_096);
    }
}
