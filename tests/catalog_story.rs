//! The catalog's story: decks, exchange rates, plans and trunks, told on `SQLite` and on `PostgreSQL`.
//!
//! `PostgreSQL`'s half needs `TOLLGATE_TEST_POSTGRES`; without it that half fails, so that nobody takes half a story for
//! the whole.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "store_story/database.rs"]
mod database;
#[path = "catalog_story/imports.rs"]
mod imports;
#[path = "catalog_story/messages.rs"]
mod messages;
#[path = "catalog_story/plans.rs"]
mod plans;
#[path = "catalog_story/trunks.rs"]
mod trunks;
#[path = "catalog_story/world.rs"]
mod world;
