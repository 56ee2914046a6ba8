//! The settings of a simulator.

use std::path::PathBuf;

use jiff::Timestamp;

/// The settings of a simulator.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where its orders are kept; in memory alone when not said.
    pub record: Option<PathBuf>,
    /// How long an order takes to be allocated.
    pub allocate_ms: u64,
    /// The buyer's balance, in 1/10,000 dollars.
    pub balance_e4: i64,
    /// The access code that it takes; any where none.
    pub access_code: Option<String>,
    /// Its time when it starts; the machine's if `None`.
    pub starts_at: Option<Timestamp>,
    /// The secret that requests must be signed with; unsigned ones are accepted if `None`.
    pub secret: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            record: None,
            allocate_ms: 2_000,
            balance_e4: 1_000_000_000,
            access_code: None,
            starts_at: None,
            secret: None,
        }
    }
}
