//! The SMS API.

mod campaigns;
mod edges;
pub(crate) mod messages;
mod prices;
