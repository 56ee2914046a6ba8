//! The wallet of an account.

use super::{
    limits::{Admissions, Limits},
    spending::{Day, Spending},
};
use crate::{
    money::Money,
    sync::{Guard, Mutex},
};

/// An account's money as credit control sees it. Shared by reference; each wallet has its own lock, and cache lines
/// of its own, so that cores at work on different accounts do not wait for each other's memory.
#[derive(Debug)]
#[repr(align(64))]
pub struct Wallet {
    state: Mutex<State>,
}

/// A wallet at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// The sum of the account's entries.
    pub balance: Money,
    /// How far the balance may go below zero.
    pub credit_limit: Money,
    /// Held for calls, messages and purchases.
    pub held: Money,
    /// Balance + credit limit − held; what does not fit in an amount counts as the nearest that does.
    pub available: Money,
    /// Calls that hold money now.
    pub calls: u32,
    /// The account's limits.
    pub limits: Limits,
    /// Charged to the account by settlements in its spending day; where days of several zones run, in that with most.
    pub spent: Money,
    /// Settlements that made `available` negative, or more so, since the wallet was opened.
    pub overdraws: u64,
    /// By how much, in all; what does not fit counts as the most that does.
    pub overdrawn: Money,
}

/// True if a change must leave `available` at zero or above.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guarded {
    /// A change that lowers what is available is refused where it would make that negative.
    Yes,
    /// As `Yes`, with the credit limit left out: balance − held must stay at zero or above. For what may be given away,
    /// which borrowed money may not.
    OwnMoney,
    /// The change is a fact, and made.
    No,
}

/// Why a wallet was not changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AdjustError {
    /// A guarded change would have left less than nothing available.
    #[error("only {available} is available")]
    Insufficient {
        /// The held amount.
        available: Money,
    },
    /// The amount does not fit.
    #[error("the amount is too large")]
    Overflow,
    /// A credit limit cannot be negative.
    #[error("a credit limit cannot be negative")]
    NegativeLimit,
}

/// The state under the lock. In this order, the fields that a call needs of an account without limits lie in the cache line
/// of the lock.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct State {
    balance: Money,
    credit_limit: Money,
    held: Money,
    limits: Limits,
    calls: u32,
    spend: Spending,
    admissions: Admissions,
    overdraws: u64,
    overdrawn: Money,
}

/// The nearest amount to a sum of amounts.
fn narrowed(nanos: i128) -> Money {
    let nearest = if nanos < 0 { i64::MIN } else { i64::MAX };
    Money::from_nanos(i64::try_from(nanos).unwrap_or(nearest))
}

impl Wallet {
    /// A wallet with a balance, no credit limit, no limits and nothing held.
    pub fn new(balance: Money) -> Self {
        Self { state: Mutex::new(State { balance, ..State::default() }) }
    }

    /// Adds to the balance, or takes from it where `delta` is negative. Returns the new balance.
    pub fn adjust(&self, delta: Money, guarded: Guarded) -> Result<Money, AdjustError> {
        let mut state = self.lock();
        let balance = state.balance.checked_add(delta).ok_or(AdjustError::Overflow)?;
        if delta.is_negative() {
            state.guard(i128::from(delta.nanos()), guarded)?;
        }
        state.balance = balance;
        Ok(balance)
    }

    /// Sets how far the balance may go below zero. Unguarded it may leave less than nothing available; then no new
    /// call is admitted until that is paid.
    pub fn set_credit_limit(&self, limit: Money, guarded: Guarded) -> Result<(), AdjustError> {
        if limit.is_negative() {
            return Err(AdjustError::NegativeLimit);
        }
        let mut state = self.lock();
        let change = i128::from(limit.nanos()) - i128::from(state.credit_limit.nanos());
        if change < 0 {
            state.guard(change, guarded)?;
        }
        state.credit_limit = limit;
        Ok(())
    }

    /// Sets the limits beside money. They bind calls to come.
    pub fn set_limits(&self, limits: Limits) {
        self.lock().limits = limits;
    }

    /// Tells what was spent in a day that the wallet did not see all of: it counts at least so much from now on.
    pub fn restore_spent(&self, day: Day, spent: Money) {
        self.lock().spend.restore(day, spent);
    }

    /// The wallet as it is now.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        Snapshot {
            balance: state.balance,
            credit_limit: state.credit_limit,
            held: state.held,
            available: narrowed(state.available()),
            calls: state.calls,
            limits: state.limits,
            spent: state.spend.spent(),
            overdraws: state.overdraws,
            overdrawn: state.overdrawn,
        }
    }

    pub(super) fn lock(&self) -> Guard<'_, State> {
        self.state.lock()
    }
}

/// A settlement's effect on one wallet, computed before any wallet of the chain is changed.
#[derive(Clone, Copy)]
pub(super) struct Settling {
    balance: Money,
    held: Money,
    overdraw: Money,
}

impl Settling {
    /// How much further below zero `available` goes.
    pub(super) const fn overdraw(&self) -> Money {
        self.overdraw
    }
}

impl State {
    /// Three amounts always fit in 128 bits.
    fn available(&self) -> i128 {
        i128::from(self.balance.nanos()) + i128::from(self.credit_limit.nanos())
            - i128::from(self.held.nanos())
    }

    fn guard(&self, change: i128, guarded: Guarded) -> Result<(), AdjustError> {
        let left = match guarded {
            Guarded::No => return Ok(()),
            Guarded::Yes => self.available(),
            Guarded::OwnMoney => self.available() - i128::from(self.credit_limit.nanos()),
        };
        if left + change < 0 {
            return Err(AdjustError::Insufficient { available: narrowed(left) });
        }
        Ok(())
    }

    /// Credit available for a new call.
    pub(super) fn credit(&self) -> Money {
        narrowed(self.available())
    }

    /// Begins a spending day, and ends those that are over. It comes before [`left`](Self::left).
    pub(super) fn enter(&mut self, day: Day) {
        self.spend.enter(day);
    }

    /// Rest of the daily limit for a new call, if there is a limit.
    pub(super) fn left(&self) -> Option<Money> {
        let limit = i128::from(self.limits.daily_spend?.nanos());
        let spent = i128::from(self.spend.spent().nanos());
        Some(narrowed(limit - spent - i128::from(self.held.nanos())))
    }

    /// Credit available for a call that already holds this amount.
    pub(super) fn credit_with(&self, hold: Money) -> Money {
        narrowed(self.available() + i128::from(hold.nanos()))
    }

    /// Rest of the daily limit for a call that already holds this amount, if there is a limit.
    pub(super) fn left_with(&self, hold: Money) -> Option<Money> {
        self.left().map(|left| narrowed(i128::from(left.nanos()) + i128::from(hold.nanos())))
    }

    pub(super) fn has_room_for_a_call(&self) -> bool {
        self.limits.concurrent_calls.is_none_or(|most| self.calls < most)
    }

    pub(super) fn is_within_rate(&self, now_ms: u64) -> bool {
        self.admissions.allow(self.limits.calls_per_second, now_ms)
    }

    /// The held sum with another hold; `None` if the hold is negative or exceeds the available credit.
    pub(super) fn held_with(&self, hold: Money) -> Option<Money> {
        let fits = !hold.is_negative() && i128::from(hold.nanos()) <= self.available();
        if fits { self.held.checked_add(hold) } else { None }
    }

    /// Admits a call. `held` comes from [`held_with`](Self::held_with) under the same lock.
    pub(super) fn admit(&mut self, held: Money, now_ms: u64) {
        self.held = held;
        self.calls = self.calls.saturating_add(1);
        self.admissions.record(self.limits.calls_per_second, now_ms);
        debug_assert!(self.available() >= 0, "a hold is at most what is available");
    }

    /// Holds more. `held` comes from [`held_with`](Self::held_with) under the same lock.
    pub(super) fn hold_more(&mut self, held: Money) {
        debug_assert!(held >= self.held, "a hold is only made larger");
        self.held = held;
    }

    /// Holds for a call that already runs, whatever is available. `held` is the new sum.
    pub(super) fn readmit(&mut self, held: Money) {
        self.held = held;
        self.calls = self.calls.saturating_add(1);
    }

    pub(super) fn held(&self) -> Money {
        self.held
    }

    /// The effect of replacing a hold by a charge; `None` if an amount would overflow or the hold does not exist.
    pub(super) fn settling(&self, hold: Money, charge: Money) -> Option<Settling> {
        let rest = self.held.checked_sub(hold).filter(|rest| !rest.is_negative() && !hold.is_negative())?;
        let balance = self.balance.checked_sub(charge)?;
        let before = self.available();
        let after = before + i128::from(hold.nanos()) - i128::from(charge.nanos());
        let overdraw = narrowed((-after).max(0) - (-before).max(0)).max(Money::ZERO);
        Some(Settling { balance, held: rest, overdraw })
    }

    /// Ends a call. The settling comes from [`settling`](Self::settling) under the same lock.
    pub(super) fn settle(&mut self, settling: Settling, charge: Money, day: Day) {
        self.calls = self.calls.saturating_sub(1);
        self.charge(settling, charge, day);
    }

    /// Replaces a hold by a charge. The settling comes from [`settling`](Self::settling) under the same lock.
    pub(super) fn charge(&mut self, settling: Settling, charge: Money, day: Day) {
        self.balance = settling.balance;
        self.held = settling.held;
        if settling.overdraw > Money::ZERO {
            self.overdraws = self.overdraws.saturating_add(1);
            self.overdrawn = self.overdrawn.checked_add(settling.overdraw).unwrap_or(Money::MAX);
        }
        if charge != Money::ZERO {
            self.spend.enter(day);
            self.spend.add(charge);
        }
    }
}
