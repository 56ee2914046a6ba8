//! The public HTTP APIs, a folder for each; the files here test all of them.

mod canary;
pub(crate) mod client;
pub(crate) mod connections;
mod documents;
mod edges;
mod esim;
mod examples;
mod hostile;
mod openapi;
pub(crate) mod reseller;
mod roles;
pub(crate) mod sms;
mod subaccounts;
mod unknown;
