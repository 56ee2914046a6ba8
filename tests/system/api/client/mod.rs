//! The client API.

mod callerids;
mod history;
mod phones;
mod vouchers;
