//! Lists as the client API answers them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::query::{Limit, Offset, cut};

/// Rows of a list, and which of how many they are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientList<T: ToSchema> {
    data: Vec<T>,
    limit: i64,
    offset: i64,
    total: i64,
}

impl<T: ToSchema> ClientList<T> {
    /// Rows that were read as they were asked for, of so many.
    pub(super) fn of(data: Vec<T>, limit: Limit, offset: Offset, total: i64) -> Self {
        Self { data, limit: limit.0, offset: offset.0, total }
    }

    /// Those of a whole list that are asked for.
    pub(super) fn cut_from(all: Vec<T>, limit: Limit, offset: Offset) -> Self {
        let total = i64::try_from(all.len()).unwrap_or(i64::MAX);
        Self::of(cut(all, limit, offset), limit, offset, total)
    }
}

/// What was done, for people.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DoneAnswer {
    pub(super) message: &'static str,
}
