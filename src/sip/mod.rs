//! SIP peers as pure data: PJSIP rows, password digests, names, addresses, and the changes to notify Asterisk of.

pub mod address;
pub mod changes;
pub mod digest;
pub mod name;
pub mod rows;
