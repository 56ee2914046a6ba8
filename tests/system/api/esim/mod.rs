//! The eSIM API.

mod orders;
mod prices;
