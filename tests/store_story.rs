//! The storage story: the same claims about the book, told on `SQLite` and on `PostgreSQL`.
//!
//! `PostgreSQL`'s half needs `TOLLGATE_TEST_POSTGRES`, the URL of a server where databases may be created; without it
//! that half fails, so that nobody takes half a story for the whole.

#[path = "store_story/database.rs"]
mod database;
#[path = "store_story/schema.rs"]
mod schema;
