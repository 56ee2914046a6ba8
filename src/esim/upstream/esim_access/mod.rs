//! The eSIM Access API: `POST /api/v1/open/…`, JSON in, an envelope out. Everything that only this upstream has is in this
//! folder: its paths, field names, error codes and states, and a simulator of it.
//!
//! Sources: the upstream's own request collection and its reference (error codes, fields, signature), and answers that
//! others recorded. The envelope is `{"success":…,"errorCode":…,"errorMsg":…,"obj":…}` with HTTP 200 whatever happened;
//! `success` is a boolean or its text, a code of a success is null or `"0"`. Prices are in 1/10,000 of the currency,
//! volumes in bytes, times in UTC. At most 8 requests a second; no sandbox.
//!
//! | code | its text | meaning |
//! |---|---|---|
//! | 000001, 900001 | server error, busy | unknown: asked again, an order with the same transaction id |
//! | 000101 … 000107, 101001 … 101003 | the request itself is wrong (header, JSON, clock, address, signature) | rejected: no statement about an earlier try |
//! | 200005, 200006 | the price is not the current one | refused |
//! | 200007 | the operator's balance is exhausted | refused |
//! | 200008, 200011, 3102xx, 3104xx | parameters, no stock, no such package, no such eSIM | refused |
//! | 200010 | not allocated yet | wait |
//! | anything else | | unknown |

pub(crate) mod answer;
mod client;
pub(crate) mod notice;
mod pace;
mod signature;
pub mod simulator;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::client::EsimAccess;
use super::UpstreamError;
use crate::clock::Clock;
use crate::config::Secret;

/// Opens the API with the configured credentials.
pub(super) fn open(
    settings: &crate::config::EsimAccess,
    clock: Arc<dyn Clock>,
) -> Result<EsimAccess, UpstreamError> {
    let code = settings.access_code.as_ref().map_or("", Secret::reveal);
    EsimAccess::new(&settings.url, code, settings.secret.as_ref().map(Secret::reveal), clock)
}

/// Starts a simulator inside of this process and opens it. It stops with the guard.
pub(super) async fn open_simulated(
    record: Option<PathBuf>,
    clock: Arc<dyn Clock>,
) -> Result<(EsimAccess, DropGuard), UpstreamError> {
    let stop = CancellationToken::new();
    let settings = simulator::Settings { record, ..simulator::Settings::default() };
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let simulator = simulator::Simulator::start(listen, settings, stop.clone())
        .await
        .map_err(|error| UpstreamError::NotReached(format!("the simulator: {error}")))?;
    tracing::warn!(address = %simulator.address, "eSIM upstream simulated: nothing real is bought");
    Ok((EsimAccess::new(&simulator.url(), "simulator", None, clock)?, stop.drop_guard()))
}
