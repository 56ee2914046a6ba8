//! The reseller API and the portal.

mod clients;
mod kill;
mod outage;
mod payments;
mod portal;
mod prices;
mod transfers;
