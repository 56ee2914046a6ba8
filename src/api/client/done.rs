//! The answer of a change that returns no data.

use serde::Serialize;
use utoipa::ToSchema;

/// Result of a change.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DoneAnswer {
    /// Result, as text for people.
    pub(super) message: &'static str,
}
