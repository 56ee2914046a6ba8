//! The payers of one call: all hold or none does, all are charged at once.

use super::{
    spending::Day,
    wallet::{Settling, State, Wallet},
};
use crate::{money::Money, sync::Guard};

/// The most payers of a call: a client, and resellers to three levels above it.
pub const MAX_PAYERS: usize = 4;

/// The wallets that pay for one call, the client's first, then each next one up.
///
/// Wallets are locked in this order. Since accounts form a tree, and a chain is a path in it, every chain meets
/// wallets it shares with another in the same order, and no two wait for each other.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a> {
    /// The first `len` are the chain; the rest repeat the first and are never looked at.
    wallets: [&'a Wallet; MAX_PAYERS],
    len: usize,
}

/// Why wallets form no [`Chain`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChainError {
    /// Nobody pays.
    #[error("a chain has at least one payer")]
    Empty,
    /// More than [`MAX_PAYERS`].
    #[error("a chain has at most {MAX_PAYERS} payers")]
    TooLong,
    /// A wallet is there twice.
    #[error("a payer is in the chain twice")]
    Repeated,
}

/// The price of a call for one payer: its rate, and the range of times in which the call may be answered.
pub trait Pricing {
    /// The longest call in whole seconds, at most `cap`, that `credit` pays; 0 where it does not pay the first block,
    /// and for a negative credit.
    fn max_seconds(&self, credit: Money, cap: u32) -> u32;

    /// The highest charge of a call of so many seconds; `None` if it exceeds the range of amounts.
    fn hold(&self, seconds: u32) -> Option<Money>;
}

impl<P: Pricing + ?Sized> Pricing for &P {
    fn max_seconds(&self, credit: Money, cap: u32) -> u32 {
        (**self).max_seconds(credit, cap)
    }

    fn hold(&self, seconds: u32) -> Option<Money> {
        (**self).hold(seconds)
    }
}

/// How much of a call is paid for in advance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slice {
    /// So many seconds, or as many as are affordable. 0 counts as 1: the first block is always held.
    Seconds(u32),
    /// All that is affordable within the caps.
    Full,
}

/// A request for a reservation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReserveRequest {
    /// The longest call that anything but money allows, in seconds. 0 is refused as unaffordable.
    pub caps_seconds: u32,
    /// How much to hold.
    pub slice: Slice,
    /// Monotonic milliseconds, from the same clock for all requests.
    pub now_ms: u64,
    /// For each payer the present day in its plan's zone.
    pub days: [Day; MAX_PAYERS],
}

/// The holds of one call. They are returned exactly once, to [`Chain::settle`] or [`Chain::release`].
#[derive(PartialEq, Eq, Debug)]
#[must_use = "what is held stays held until it is settled or released"]
pub struct Holds {
    amounts: [Money; MAX_PAYERS],
    len: usize,
}

impl Holds {
    /// For each payer what is held, the client first.
    pub fn amounts(&self) -> &[Money] {
        self.amounts.get(..self.len).unwrap_or_default()
    }
}

/// A call that was admitted.
#[derive(PartialEq, Eq, Debug)]
pub struct Grant {
    /// The caps that were asked with, in seconds.
    pub limit_seconds: u32,
    /// Seconds that every payer could pay, within the caps: at least 1.
    pub affordable_seconds: u32,
    /// For how many seconds the holds pay: at least 1, at most `affordable_seconds`.
    pub funded_seconds: u32,
    /// The holds.
    pub holds: Holds,
}

/// A request to extend the reservation of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtendRequest {
    /// The longest call that anything but money allows, in seconds.
    pub caps_seconds: u32,
    /// For how many seconds the holds pay now.
    pub funded_seconds: u32,
    /// Seconds that they are to pay for. At or below `funded_seconds` nothing is held: only the possible extension is returned.
    pub target_seconds: u32,
    /// For each payer the present day in its plan's zone.
    pub days: [Day; MAX_PAYERS],
}

/// The result of an extension.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extended {
    /// For how many seconds the holds pay now: never less than before, at most what was asked for.
    pub funded_seconds: u32,
    /// Seconds that every payer could pay within the caps, including the holds of this call: at least `funded_seconds`.
    pub affordable_seconds: u32,
}

/// A call that was not admitted. Nothing is held for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("payer {payer_index}: {reason}")]
pub struct Refusal {
    /// The first payer, the client being 0, that cannot have the call. Of one payer limits come before money.
    pub payer_index: usize,
    /// Why it cannot.
    pub reason: RefusalReason,
}

/// Why a payer cannot have a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum RefusalReason {
    /// The available credit does not pay the first block.
    #[error("not enough credit")]
    NoCredit,
    /// As many calls as allowed are up.
    #[error("too many calls at once")]
    CallLimit,
    /// As many calls as allowed were admitted within a second.
    #[error("too many calls per second")]
    CpsLimit,
    /// The rest of the daily spending limit does not pay the first block.
    #[error("the day's spending limit is reached")]
    DailyLimit,
}

/// A call whose charges are in its payers' wallets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settled {
    /// For each payer how much further below zero its available credit went; beyond the chain nothing.
    pub overdrawn: [Money; MAX_PAYERS],
}

/// Why holds were not replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SettleError {
    /// There are not as many holds or charges as payers.
    #[error("not as many holds or charges as payers")]
    Mismatch,
    /// A charge is negative.
    #[error("a charge is negative")]
    NegativeCharge,
    /// An amount does not fit, or a hold is more than the wallet holds in all.
    #[error("payer {payer_index}: the amounts do not fit the wallet")]
    Amount {
        /// The payer, the client being 0.
        payer_index: usize,
    },
}

/// Holds that are still held.
#[derive(PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Unsettled {
    /// Why.
    pub reason: SettleError,
    /// The holds, to try again with.
    pub holds: Holds,
}

/// The locked wallets of a chain.
pub(super) type Locked<'a> = [Option<Guard<'a, State>>; MAX_PAYERS];

const NONE_LOCKED: Locked<'static> = [const { None }; MAX_PAYERS];

impl<'a> Chain<'a> {
    /// The chain of these wallets, the client's first.
    pub fn new(wallets: &[&'a Wallet]) -> Result<Self, ChainError> {
        let first = *wallets.first().ok_or(ChainError::Empty)?;
        if wallets.len() > MAX_PAYERS {
            return Err(ChainError::TooLong);
        }
        let repeated =
            |(n, wallet): (usize, &&Wallet)| wallets.iter().skip(n + 1).any(|w| std::ptr::eq(*w, *wallet));
        if wallets.iter().enumerate().any(repeated) {
            return Err(ChainError::Repeated);
        }
        let mut chain = Self { wallets: [first; MAX_PAYERS], len: wallets.len() };
        for (place, wallet) in chain.wallets.iter_mut().zip(wallets) {
            *place = wallet;
        }
        Ok(chain)
    }

    /// The wallets, the client's first.
    pub fn wallets(&self) -> &[&'a Wallet] {
        self.wallets.get(..self.len).unwrap_or_default()
    }

    /// Admits a call and holds its price on every wallet, or changes nothing.
    ///
    /// `prices` has one entry for each payer; a payer without one is refused, as is one whose hold is no amount or
    /// more than it has. The daily limit works as a second wallet: the affordable time is what the smaller of the two
    /// pays.
    pub fn reserve<P: Pricing>(&self, prices: &[P], request: &ReserveRequest) -> Result<Grant, Refusal> {
        let mut locked: Locked<'a> = NONE_LOCKED;
        let mut affordable_seconds = request.caps_seconds;
        let payers = self.wallets().iter().zip(&request.days).zip(&mut locked).enumerate();
        for (payer_index, ((wallet, day), place)) in payers {
            let refused = |reason| Refusal { payer_index, reason };
            let state = place.insert(wallet.lock());
            state.enter(*day);
            if !state.has_room_for_a_call() {
                return Err(refused(RefusalReason::CallLimit));
            }
            if !state.is_within_rate(request.now_ms) {
                return Err(refused(RefusalReason::CpsLimit));
            }
            let price = prices.get(payer_index).ok_or(refused(RefusalReason::NoCredit))?;
            affordable_seconds = affordable(state, price, affordable_seconds).map_err(refused)?;
        }
        let funded_seconds = match request.slice {
            Slice::Full => affordable_seconds,
            Slice::Seconds(seconds) => seconds.clamp(1, affordable_seconds),
        };
        let mut holds = Holds { amounts: [Money::ZERO; MAX_PAYERS], len: self.len };
        let mut held = [Money::ZERO; MAX_PAYERS];
        let payers = locked.iter().flatten().zip(prices);
        for (payer_index, ((state, price), (amount, sum))) in
            payers.zip(holds.amounts.iter_mut().zip(&mut held)).enumerate()
        {
            let refused = |reason| Refusal { payer_index, reason };
            *amount = price.hold(funded_seconds).ok_or(refused(RefusalReason::NoCredit))?;
            *sum = state.held_with(*amount).ok_or(refused(RefusalReason::NoCredit))?;
            if state.left().is_some_and(|left| *amount > left) {
                return Err(refused(RefusalReason::DailyLimit));
            }
        }
        // Everything is checked, under all locks: from here nothing can fail.
        for (state, held) in locked.iter_mut().flatten().zip(held) {
            state.admit(held, request.now_ms);
        }
        Ok(Grant { limit_seconds: request.caps_seconds, affordable_seconds, funded_seconds, holds })
    }

    /// Holds more for a call that runs, on every wallet, or changes nothing: as much of what is asked for as every
    /// payer can pay, the daily limits included. What is held is never less afterwards.
    ///
    /// `prices` has one entry for each payer, as in [`reserve`](Self::reserve).
    pub fn extend<P: Pricing>(&self, holds: &mut Holds, prices: &[P], request: &ExtendRequest) -> Extended {
        let unchanged = |affordable: u32| Extended {
            funded_seconds: request.funded_seconds,
            affordable_seconds: affordable.max(request.funded_seconds),
        };
        if holds.len != self.len || prices.len() < self.len {
            return unchanged(0);
        }
        let mut locked = self.lock();
        let mut affordable = request.caps_seconds;
        let payers = locked.iter_mut().flatten().zip(holds.amounts()).zip(prices).zip(&request.days);
        for (((state, hold), price), day) in payers {
            state.enter(*day);
            let credit = state.credit_with(*hold);
            let left = state.left_with(*hold).unwrap_or(Money::MAX);
            affordable = price.max_seconds(credit.min(left), affordable).min(affordable);
        }
        let target = request.target_seconds.min(affordable);
        if target <= request.funded_seconds {
            return unchanged(affordable);
        }
        let mut amounts = holds.amounts;
        let mut sums = [Money::ZERO; MAX_PAYERS];
        let places = amounts.iter_mut().zip(&mut sums);
        for ((state, price), (amount, sum)) in locked.iter().flatten().zip(prices).zip(places) {
            let Some(wanted) = price.hold(target) else { return unchanged(0) };
            // A hold that was restored may be more than this call's price: it is kept.
            let more = wanted.checked_sub(*amount).unwrap_or(Money::ZERO).max(Money::ZERO);
            let Some(held) = state.held_with(more) else { return unchanged(0) };
            *amount = wanted.max(*amount);
            *sum = held;
        }
        for (state, held) in locked.iter_mut().flatten().zip(sums) {
            state.hold_more(held);
        }
        holds.amounts = amounts;
        Extended { funded_seconds: target, affordable_seconds: affordable }
    }

    /// Holds again what a call held that was admitted before the wallets were opened. Nothing is checked: the call
    /// is under way. `None` where there are not as many amounts as payers, one is negative, or a sum does not fit.
    pub fn restore(&self, amounts: &[Money]) -> Option<Holds> {
        if amounts.len() != self.len || amounts.iter().any(|amount| amount.is_negative()) {
            return None;
        }
        let mut locked = self.lock();
        let mut holds = Holds { amounts: [Money::ZERO; MAX_PAYERS], len: self.len };
        let mut sums = [Money::ZERO; MAX_PAYERS];
        let places = holds.amounts.iter_mut().zip(&mut sums);
        for ((state, amount), (hold, sum)) in locked.iter().flatten().zip(amounts).zip(places) {
            *hold = *amount;
            *sum = state.held().checked_add(*amount)?;
        }
        for (state, sum) in locked.iter_mut().flatten().zip(sums) {
            state.readmit(sum);
        }
        Some(holds)
    }

    /// Replaces a call's holds by its charges, on all wallets at once, and ends it.
    ///
    /// A charge may be more than was held and more than there is: the call has taken place. `days` says in which day
    /// each payer's spending counts.
    pub fn settle(
        &self,
        holds: Holds,
        charges: &[Money],
        days: &[Day; MAX_PAYERS],
    ) -> Result<Settled, Unsettled> {
        let failed = |reason, holds| Err(Unsettled { reason, holds });
        if holds.len != self.len || charges.len() != self.len {
            return failed(SettleError::Mismatch, holds);
        }
        if charges.iter().any(|charge| charge.is_negative()) {
            return failed(SettleError::NegativeCharge, holds);
        }
        let mut locked = self.lock();
        let mut settlings: [Option<Settling>; MAX_PAYERS] = [None; MAX_PAYERS];
        let mut overdrawn = [Money::ZERO; MAX_PAYERS];
        let payers = locked.iter().flatten().zip(holds.amounts()).zip(charges);
        for (payer_index, (((state, hold), charge), place)) in payers.zip(&mut settlings).enumerate() {
            *place = state.settling(*hold, *charge);
            if place.is_none() {
                return failed(SettleError::Amount { payer_index }, holds);
            }
        }
        let payers =
            locked.iter_mut().flatten().zip(settlings.iter().flatten()).zip(charges.iter().zip(days));
        for (((state, settling), (charge, day)), overdraw) in payers.zip(&mut overdrawn) {
            state.settle(*settling, *charge, *day);
            *overdraw = settling.overdraw();
        }
        Ok(Settled { overdrawn })
    }

    /// Ends a call that costs nothing: gives back what it held.
    pub fn release(&self, holds: Holds) -> Result<(), Unsettled> {
        let nothing = [Money::ZERO; MAX_PAYERS];
        let charges = nothing.get(..self.len).unwrap_or_default();
        self.settle(holds, charges, &[Day::default(); MAX_PAYERS]).map(|_| ())
    }

    pub(super) fn lock(&self) -> Locked<'a> {
        let mut locked: Locked<'a> = NONE_LOCKED;
        for (place, wallet) in locked.iter_mut().zip(self.wallets()) {
            *place = Some(wallet.lock());
        }
        locked
    }
}

/// How long a call a payer can afford, at most `cap` seconds and at least one.
fn affordable(state: &State, price: &impl Pricing, cap: u32) -> Result<u32, RefusalReason> {
    let credit = state.credit();
    let left = state.left().unwrap_or(Money::MAX);
    match price.max_seconds(credit.min(left), cap).min(cap) {
        0 if left < credit && price.max_seconds(credit, cap) > 0 => Err(RefusalReason::DailyLimit),
        0 => Err(RefusalReason::NoCredit),
        seconds => Ok(seconds),
    }
}
