//! Bounds on rows that nobody pays for.

use serde::{Deserialize, Serialize};

/// `[limits]`: how many rows an account may make without paying for them, and how long they are kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests of one account in a minute that change something and cost nothing; a quarter of them at once.
    pub changes_per_minute: u32,
    /// The same in a day.
    pub changes_per_day: u32,
    /// Changes of retail prices by one reseller in a day: each leaves a version of the plan.
    pub price_changes_per_day: u32,
    /// Campaigns of one account in a day.
    pub campaigns_per_day: u32,
    /// Clients that one reseller may create in an hour; a quarter of them at once.
    pub new_clients_per_hour: u32,
    /// Clients of one reseller.
    pub clients_per_reseller: u32,
    /// Messages of one account that no provider has: waiting, cancelled or refused.
    pub unsent_messages: u32,
    /// The same of a reseller and everybody below it.
    pub unsent_messages_per_reseller: u32,
    /// Cancelled and refused messages of one account that are kept; the oldest beyond are deleted.
    pub kept_unsent_messages: u32,
    /// Days that cancelled and refused messages, and campaigns that cost nothing, are kept.
    pub kept_unsent_days: u32,
    /// Campaigns of one account that cost nothing and are kept; the oldest beyond are deleted.
    pub kept_campaigns: u32,
    /// Days that the answer to a request with an `Idempotency-Key` is kept.
    pub idempotency_days: u32,
    /// Refused transfers of one reseller, and payments that were not credited, that are kept at most, each.
    pub kept_failures_per_reseller: u32,
    /// Days that refused transfers and payments that were not credited are kept.
    pub kept_failures_days: u32,
    /// Refused calls of one account or address in a day that get a CDR; more are counted.
    pub refused_cdrs_per_source: u32,
    /// Refused calls in a day that get a CDR, of everybody; more are counted.
    pub refused_cdrs_per_day: u32,
    /// Days that counts of refused calls are kept.
    pub refused_counts_days: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            changes_per_minute: 600,
            changes_per_day: 20_000,
            price_changes_per_day: 5_000,
            campaigns_per_day: 1_000,
            new_clients_per_hour: 600,
            clients_per_reseller: 10_000,
            unsent_messages: 200_000,
            unsent_messages_per_reseller: 1_000_000,
            kept_unsent_messages: 10_000,
            kept_unsent_days: 30,
            kept_campaigns: 1_000,
            idempotency_days: 7,
            kept_failures_per_reseller: 10_000,
            kept_failures_days: 90,
            refused_cdrs_per_source: 500,
            refused_cdrs_per_day: 20_000,
            refused_counts_days: 90,
        }
    }
}

impl Limits {
    /// Why these limits are refused.
    pub(super) fn check(&self) -> Result<(), String> {
        let rates = [
            ("changes_per_minute", self.changes_per_minute),
            ("changes_per_day", self.changes_per_day),
            ("price_changes_per_day", self.price_changes_per_day),
            ("campaigns_per_day", self.campaigns_per_day),
            ("new_clients_per_hour", self.new_clients_per_hour),
            ("unsent_messages", self.unsent_messages),
            ("unsent_messages_per_reseller", self.unsent_messages_per_reseller),
        ];
        if let Some((key, _)) = rates.into_iter().find(|(_, value)| *value == 0) {
            return Err(format!("limits.{key} must be at least 1"));
        }
        let days = [
            ("kept_unsent_days", self.kept_unsent_days),
            ("idempotency_days", self.idempotency_days),
            ("kept_failures_days", self.kept_failures_days),
            ("refused_counts_days", self.refused_counts_days),
        ];
        match days.into_iter().find(|(_, value)| !(1..=3_650).contains(value)) {
            Some((key, _)) => Err(format!("limits.{key} must be 1 to 3650")),
            None => Ok(()),
        }
    }
}
