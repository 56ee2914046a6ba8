//! The storage story: the same claims about the book, told on `SQLite` and on `PostgreSQL`.
//!
//! `PostgreSQL`'s half needs `TOLLGATE_TEST_POSTGRES`, the URL of a server where databases may be created; without it
//! that half fails, so that nobody takes half a story for the whole.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "store_story/audit.rs"]
mod audit;
#[path = "store_story/audit_messages.rs"]
mod audit_messages;
#[path = "store_story/broken.rs"]
mod broken;
#[path = "store_story/calls.rs"]
mod calls;
#[path = "store_story/corrections.rs"]
mod corrections;
#[path = "store_story/database.rs"]
mod database;
#[path = "store_story/feed.rs"]
mod feed;
#[path = "store_story/ledger.rs"]
mod ledger;
#[path = "store_story/outage.rs"]
mod outage;
#[path = "store_story/owner.rs"]
mod owner;
#[path = "store_story/peers.rs"]
mod peers;
#[path = "store_story/schema.rs"]
mod schema;
#[path = "store_story/spool.rs"]
mod spool;
#[path = "store_story/wire.rs"]
mod wire;
