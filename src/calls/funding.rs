//! Duration that credit pays for.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tollgate_rating::credit::{Day, MAX_PAYERS, Pricing};
use tollgate_rating::{AnswerRange, CallRate, Money};

use crate::catalog::Snapshot;
use crate::directory::Account;

/// Safety margin before the funded end, so that Asterisk's overshoot of up to 20 ms does not buy another increment, in
/// milliseconds.
pub(super) const GUARD_MS: u64 = 300;
/// Time for which a hold outlives its funded end without a settlement.
pub(super) const HOLD_GRACE: SignedDuration = SignedDuration::from_secs(60);

/// Price of one payer, as the wallets need it.
pub(super) struct PayerPrice<'a> {
    pub(super) rate: &'a CallRate,
    pub(super) answered: AnswerRange,
}

impl Pricing for PayerPrice<'_> {
    fn max_seconds(&self, credit: Money, cap: u32) -> u32 {
        self.rate.max_seconds(credit, cap, self.answered)
    }

    fn hold(&self, seconds: u32) -> Option<Money> {
        self.rate.hold(seconds, self.answered).ok()
    }
}

/// Returns the seconds, at most `cap`, that the held amounts pay for: a hold of a whole block pays to the block's end.
pub(super) fn paid_seconds(prices: &[PayerPrice<'_>], held: &[Money], cap: u32) -> u32 {
    prices.iter().zip(held).fold(cap, |cap, (price, hold)| price.max_seconds(*hold, cap))
}

/// Returns every payer's spending day, in its plan's zone.
pub(super) fn days(snapshot: &Snapshot, chain: &[Arc<Account>], at: Timestamp) -> [Day; MAX_PAYERS] {
    let mut days = [Day::default(); MAX_PAYERS];
    for (day, account) in days.iter_mut().zip(chain) {
        let settings = account.settings();
        if settings.limits.daily_spend.is_some()
            && let Some(plan) = snapshot.plan(settings.plan_id)
        {
            *day = plan.spending_day(at);
        }
    }
    days
}
