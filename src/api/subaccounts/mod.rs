//! `/api/subaccounts?action=…` and `/api/subaccounts/ACTION`: a client's subaccounts, as the seven.io gateway has them.
//!
//! Its clients send parameters in the path, the query, a form or JSON, with any `Content-Type`, and look for `success` in
//! an answer of status 200. An invalid key is answered `900` alone. Statuses of their own are 405, 408, 413, 429, 500, 503.

mod answer;
mod described;
mod dispatch;
mod key;
pub(super) mod nonces;
pub(crate) mod parameters;
mod refusal;
pub(crate) mod signing;

pub(super) use self::described::described;
pub(super) use self::dispatch::router;
