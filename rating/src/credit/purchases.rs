//! Holds for purchases that are no calls: a message, a campaign, an eSIM.
//!
//! It comes from the same wallets as calls do, under the same locks, and counts against the day's spending limit as a
//! call's hold does. The limits of calls (concurrent calls, calls a second) do not apply. The caller keeps
//! the amounts, in the ledger: a wallet knows only the sum of its holds.

use super::{
    chain::{Chain, Locked, MAX_PAYERS, Refusal, RefusalReason, SettleError, Settled},
    spending::Day,
    wallet::{Settling, Wallet},
};
use crate::money::Money;

impl Chain<'_> {
    /// Holds an amount on every wallet, or on none. `amounts` has one for each payer, none of them negative; `days` says for
    /// each which day's spending it counts to. An amount of zero is always available.
    pub fn hold_amounts(&self, amounts: &[Money], days: &[Day; MAX_PAYERS]) -> Result<(), Refusal> {
        if amounts.len() != self.wallets().len() {
            return Err(Refusal { payer_index: amounts.len(), reason: RefusalReason::NoCredit });
        }
        let mut locked = self.lock();
        let mut sums = [Money::ZERO; MAX_PAYERS];
        let payers = locked.iter_mut().flatten().zip(amounts).zip(days).zip(&mut sums).enumerate();
        for (payer_index, (((state, amount), day), sum)) in payers {
            let refused = |reason| Refusal { payer_index, reason };
            if *amount == Money::ZERO {
                *sum = state.held();
                continue;
            }
            *sum = state.held_with(*amount).ok_or(refused(RefusalReason::NoCredit))?;
            state.enter(*day);
            if state.left().is_some_and(|left| *amount > left) {
                return Err(refused(RefusalReason::DailyLimit));
            }
        }
        // Everything is checked, under all locks: from here nothing can fail.
        for (state, sum) in locked.iter_mut().flatten().zip(sums) {
            state.hold_more(sum);
        }
        Ok(())
    }

    /// Replaces holds by charges, on all wallets at once. A charge may be less than its hold or more: it is a fact.
    pub fn replace_holds(
        &self,
        held: &[Money],
        charges: &[Money],
        days: &[Day; MAX_PAYERS],
    ) -> Result<Settled, SettleError> {
        let payers = self.wallets().len();
        if held.len() != payers || charges.len() != payers {
            return Err(SettleError::Mismatch);
        }
        if charges.iter().any(|charge| charge.is_negative()) {
            return Err(SettleError::NegativeCharge);
        }
        let mut locked: Locked<'_> = self.lock();
        let mut settlings: [Option<Settling>; MAX_PAYERS] = [None; MAX_PAYERS];
        let mut overdrawn = [Money::ZERO; MAX_PAYERS];
        let states = locked.iter().flatten().zip(held).zip(charges).zip(&mut settlings).enumerate();
        for (payer_index, (((state, hold), charge), place)) in states {
            *place = state.settling(*hold, *charge);
            if place.is_none() {
                return Err(SettleError::Amount { payer_index });
            }
        }
        let states =
            locked.iter_mut().flatten().zip(settlings.iter().flatten()).zip(charges.iter().zip(days));
        for (((state, settling), (charge, day)), overdraw) in states.zip(&mut overdrawn) {
            state.charge(*settling, *charge, *day);
            *overdraw = settling.overdraw();
        }
        Ok(Settled { overdrawn })
    }
}

impl Wallet {
    /// Restores a hold of before the wallet was opened, whatever is available. `None` if the amount is
    /// negative or the sum does not fit.
    pub fn restore_hold(&self, amount: Money) -> Option<()> {
        if amount.is_negative() {
            return None;
        }
        let mut state = self.lock();
        let sum = state.held().checked_add(amount)?;
        state.hold_more(sum);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credit::{Guarded, Limits};

    const TODAY: [Day; MAX_PAYERS] = [Day::numbered(20_000); MAX_PAYERS];

    fn money(nanos: i64) -> Money {
        Money::from_nanos(nanos)
    }

    #[test]
    fn a_hold_is_available_to_no_call_and_no_other_purchase() {
        let (client, reseller) = (Wallet::new(money(100)), Wallet::new(money(50)));
        let chain = Chain::new(&[&client, &reseller]).unwrap();
        chain.hold_amounts(&[money(70), money(30)], &TODAY).unwrap();
        assert_eq!((client.snapshot().available, client.snapshot().calls), (money(30), 0));
        let refused = chain.hold_amounts(&[money(30), money(21)], &TODAY).unwrap_err();
        assert_eq!(refused, Refusal { payer_index: 1, reason: RefusalReason::NoCredit });
        assert_eq!(client.snapshot().held, money(70), "none is held where one is short");
        assert!(client.adjust(money(-31), Guarded::Yes).is_err());
        chain.replace_holds(&[money(70), money(30)], &[money(60), money(0)], &TODAY).unwrap();
        let after = client.snapshot();
        assert_eq!((after.balance, after.held, after.spent), (money(40), Money::ZERO, money(60)));
        assert_eq!(reseller.snapshot().balance, money(50));
    }

    #[test]
    fn the_days_spending_limit_binds_it() {
        let client = Wallet::new(money(100));
        client.set_limits(Limits { daily_spend: Some(money(10)), ..Limits::default() });
        let chain = Chain::new(&[&client]).unwrap();
        chain.hold_amounts(&[money(6)], &TODAY).unwrap();
        let refused = chain.hold_amounts(&[money(5)], &TODAY).unwrap_err();
        assert_eq!(refused.reason, RefusalReason::DailyLimit);
        chain.replace_holds(&[money(6)], &[money(6)], &TODAY).unwrap();
        assert!(chain.hold_amounts(&[money(5)], &TODAY).is_err());
        chain.hold_amounts(&[money(4)], &TODAY).unwrap();
    }

    #[test]
    fn more_than_is_held_is_not_released() {
        let client = Wallet::new(money(100));
        let chain = Chain::new(&[&client]).unwrap();
        chain.hold_amounts(&[money(10)], &TODAY).unwrap();
        assert!(chain.replace_holds(&[money(11)], &[Money::ZERO], &TODAY).is_err());
        assert!(chain.hold_amounts(&[money(-1)], &TODAY).is_err());
        assert_eq!(client.snapshot().held, money(10));
        client.restore_hold(money(500)).unwrap();
        assert_eq!(client.snapshot().available, money(-410), "a hold of before is a fact");
        // Nothing costs nothing, whatever there is.
        chain.hold_amounts(&[Money::ZERO], &TODAY).unwrap();
    }
}
