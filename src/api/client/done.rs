//! The answer of what has nothing to show.

use serde::Serialize;
use utoipa::ToSchema;

/// What was done, for people.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DoneAnswer {
    pub(super) message: &'static str,
}
