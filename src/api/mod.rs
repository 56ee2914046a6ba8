//! The public HTTP APIs.
//!
//! One endpoint, one file: what it is asked, what it answers, what refuses it, what it does. [`surface`] is the table
//! of them, `dispatch` a request's way there, [`server`] the connections. Handlers know operations of `accounts`,
//! `peers` and `catalog`; they hold no SQL and do no sums.

pub mod amount;
mod attempts;
pub(crate) mod body;
pub mod changes;
pub mod client;
mod dispatch;
mod docs;
pub mod endpoint;
pub mod error;
pub mod esim;
mod idempotency;
mod limits;
mod openapi;
mod price_lists;
pub mod query;
pub mod reseller;
pub mod rows;
pub mod server;
pub mod sms;
pub(crate) mod subaccounts;
pub mod surface;
mod turns;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::any;

use self::attempts::Attempts;
use self::changes::Budgets;
use self::error::ApiError;
use self::idempotency::Repeats;
use self::limits::Limits;
use self::subaccounts::signing::Nonces;
use self::surface::Surface;
use self::turns::Turns;
use crate::accounts::delays::Delays;
use crate::calls::Calls;
use crate::directory::Account;
use crate::directory::keys as key_digests;
use crate::directory::keys::KeyHolder;
use crate::esim::Esim;
use crate::messaging::Messaging;
use crate::services::Services;

/// What the APIs stand on.
pub struct Api {
    /// Everything operations need.
    pub services: Arc<Services>,
    /// The sale of eSIMs.
    pub esim: Arc<Esim>,
    /// The calls, with accounts, peers and prices in memory.
    pub calls: Arc<Calls>,
    /// The messages.
    pub messaging: Arc<Messaging>,
    limits: Limits,
    budgets: Budgets,
    repeats: Repeats,
    /// Wrong passwords that portals passed on.
    delays: Delays,
    attempts: Attempts,
    /// Turns at costly requests.
    turns: Arc<Turns>,
    /// Nonces of signed requests.
    nonces: Nonces,
    /// Where the listener is, once it is: addresses in answers say it where no public one is configured.
    address: OnceLock<SocketAddr>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

impl Api {
    /// The APIs of a running service.
    pub fn new(
        services: Arc<Services>,
        calls: Arc<Calls>,
        messaging: Arc<Messaging>,
        esim: Arc<Esim>,
    ) -> Arc<Self> {
        let limits = Limits::new(&services.config.http);
        let budgets = Budgets::new(&services.config.limits);
        Arc::new(Self {
            services,
            esim,
            calls,
            messaging,
            limits,
            budgets,
            repeats: Repeats::default(),
            delays: Delays::default(),
            attempts: Attempts::default(),
            turns: Arc::default(),
            nonces: Nonces::default(),
            address: OnceLock::new(),
        })
    }

    /// Notes where the listener is.
    fn listens_at(&self, address: SocketAddr) {
        // Nobody else sets it.
        let _ = self.address.set(address);
    }

    /// Where the listener is.
    fn address(&self) -> SocketAddr {
        self.address.get().copied().unwrap_or(self.services.config.http.listen)
    }

    /// Forgets those who have not asked for a while.
    fn forget_idle(&self) {
        self.limits.forget_idle();
        self.budgets.forget_idle();
        self.delays.forget_idle(self.services.clock.monotonic_ms());
    }

    /// Whose a key is.
    fn holder(&self, key: &str) -> Option<(KeyHolder, Arc<Account>)> {
        let holder = self.calls.directory.keys().holder(&key_digests::digest(key))?;
        let account = self.calls.directory.account(holder.account_id)?;
        Some((holder, account))
    }

    /// All paths.
    pub fn router(self: &Arc<Self>) -> Router {
        let mut router = Router::new();
        for surface in Surface::ALL {
            let state = (Arc::clone(self), surface);
            // A web server finds index.php by its folder too.
            for path in ["index.php", ""] {
                router = router.route(
                    &format!("/{}/{path}", surface.path()),
                    any(dispatch::by_parameter).with_state(state.clone()),
                );
            }
            router = router.route(
                &format!("/{}/v1/{{endpoint}}", surface.path()),
                any(dispatch::by_path).with_state(state),
            );
        }
        let router = router
            .merge(subaccounts::router(self))
            .merge(esim::router(self))
            .merge(openapi::router(&self.services.config))
            .fallback(nothing_here);
        router.layer(middleware::from_fn_with_state(Arc::clone(self), counted))
    }
}

/// Counts answers by API and status.
async fn counted(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let surface = Surface::ALL.into_iter().map(Surface::path).chain(["api/subaccounts"]);
    let name = surface.into_iter().find(|name| {
        let rest = path.strip_prefix('/').and_then(|path| path.strip_prefix(name));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    // What needs no key is counted for who asks.
    let allowed = match name {
        Some(_) => Ok(()),
        None => api.limits.of_stranger(dispatch::address_of(&api, request.extensions(), request.headers())),
    };
    let response = match allowed {
        Ok(()) => next.run(request).await,
        Err(error) => {
            let request_id = dispatch::new_request_id();
            dispatch::stamped(error.response("success", &request_id), &request_id)
        }
    };
    api.services.metrics.http_answered(name.unwrap_or("other"), response.status().as_u16());
    if response.headers().contains_key(dispatch::REQUEST_ID_HEADER) {
        response
    } else {
        dispatch::stamped(response, &dispatch::new_request_id())
    }
}

/// A path that is none.
async fn nothing_here() -> Response {
    let request_id = dispatch::new_request_id();
    let response = ApiError::missing("path", "path").response("success", &request_id);
    dispatch::stamped(response, &request_id)
}
