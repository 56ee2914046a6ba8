//! Authorise, settle and recover calls.

pub mod ticket;
