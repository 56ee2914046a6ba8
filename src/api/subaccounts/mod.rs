//! `/api/subaccounts?action=…` and `/api/subaccounts/ACTION`: a client's subaccounts, as the seven.io gateway has them.
//!
//! Its clients send parameters in the path, the query, a form or JSON, with whatever `Content-Type`, and look for
//! `success` in an answer of status 200. A key that is nobody's is answered `900` and nothing else. Other statuses tell
//! what is not the request's doing: 405, 408, 413, 429, 503.

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
