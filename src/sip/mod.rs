//! SIP peers as pure data: PJSIP rows, password digests, names, addresses, and the changes that Asterisk must learn.

pub mod address;
pub mod changes;
pub mod digest;
pub mod name;
pub mod rows;
