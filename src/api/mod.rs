//! The public HTTP APIs.
//!
//! One endpoint, one file: what it is asked, what it answers, what refuses it, what it does. [`surface`] is the table
//! of them, [`dispatch`] a request's way there, [`server`] the connections. Handlers know operations of `accounts`,
//! `peers` and `catalog`; they hold no SQL and do no sums.

pub mod amount;
mod body;
pub mod client;
mod dispatch;
pub mod endpoint;
pub mod error;
mod idempotency;
mod limits;
mod openapi;
pub mod query;
pub mod reseller;
pub mod server;
mod subaccounts;
pub mod surface;

use std::sync::Arc;

use axum::Router;
use axum::routing::any;

use self::idempotency::Repeats;
use self::limits::Limits;
use self::subaccounts::signing::Nonces;
use self::surface::Surface;
use crate::accounts::directory::Account;
use crate::accounts::keys::{self, KeyHolder};
use crate::app::desk::Desk;
use crate::calls::Calls;

/// What the APIs stand on.
pub struct Api {
    /// Everything operations need.
    pub desk: Arc<Desk>,
    /// The calls, with accounts, peers and prices in memory.
    pub calls: Arc<Calls>,
    limits: Limits,
    repeats: Repeats,
    nonces: Nonces,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

impl Api {
    /// The APIs of a running service.
    pub fn new(desk: Arc<Desk>, calls: Arc<Calls>) -> Arc<Self> {
        let limits = Limits::new(&desk.config.http);
        Arc::new(Self { desk, calls, limits, repeats: Repeats::default(), nonces: Nonces::default() })
    }

    /// Whose a key is.
    fn holder(&self, key: &str) -> Option<(KeyHolder, Arc<Account>)> {
        let holder = self.calls.directory.keys().holder(&keys::digest(key))?;
        let account = self.calls.directory.account(holder.account_id)?;
        Some((holder, account))
    }

    /// All paths.
    pub fn router(self: &Arc<Self>) -> Router {
        let mut router = Router::new();
        for surface in Surface::ALL {
            let state = (Arc::clone(self), surface);
            router = router
                .route(
                    &format!("/{}/index.php", surface.path()),
                    any(dispatch::by_parameter).with_state(state.clone()),
                )
                .route(
                    &format!("/{}/v1/{{endpoint}}", surface.path()),
                    any(dispatch::by_path).with_state(state),
                );
        }
        router.merge(subaccounts::router(self)).merge(openapi::router(&self.desk.config))
    }
}
