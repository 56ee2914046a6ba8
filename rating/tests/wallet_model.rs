//! Wallets and chains against a plain model: lists of what happened, summed up anew for every question.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::{prelude::*, sample::Index, test_runner::Config};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use tollgate_rating::{
    Money,
    credit::{
        Chain, Day, ExtendRequest, Extended, Grant, Guarded, Holds, Limits, MAX_PAYERS, Pricing, Refusal,
        RefusalReason, ReserveRequest, Slice, Wallet,
    },
};

/// The wallet above each: a tree four deep.
const PARENTS: [Option<usize>; 8] = [None, Some(0), Some(0), Some(1), Some(1), Some(2), Some(3), Some(3)];

/// The wallets that pay for a call from one of them.
fn chain_of(account: usize) -> Vec<usize> {
    std::iter::successors(Some(account), |at| PARENTS[*at]).collect()
}

/// So many nanos a begun block, after a fee.
#[derive(Clone, Copy, Debug)]
struct Price {
    fee: i64,
    block_nanos: i64,
    block_seconds: u32,
}

impl Price {
    fn of(self, seconds: u32) -> i64 {
        self.fee + self.block_nanos * i64::from(seconds.div_ceil(self.block_seconds))
    }
}

impl Pricing for Price {
    fn max_seconds(&self, credit: Money, cap: u32) -> u32 {
        let over = credit.nanos() - self.fee;
        if credit.is_negative() || over < self.block_nanos {
            return 0;
        }
        let Some(blocks) = over.checked_div(self.block_nanos) else { return cap };
        u32::try_from(blocks * i64::from(self.block_seconds)).unwrap_or(u32::MAX).min(cap)
    }

    fn hold(&self, seconds: u32) -> Option<Money> {
        Some(Money::from_nanos(self.of(seconds)))
    }
}

#[derive(Clone, Debug)]
enum Transition {
    Reserve { account: usize, prices: Vec<Price>, caps: u32, slice: Option<u32>, after_ms: u64, day: i32 },
    Extend { call: Index, more: i64, caps: u32, day: i32 },
    Settle { call: Index, shares: [i64; MAX_PAYERS], day: i32 },
    Release { call: Index },
    Adjust { account: usize, delta: i64, guarded: bool },
    CreditLimit { account: usize, limit: i64, guarded: bool },
    Limit { account: usize, calls: Option<u32>, cps: Option<u32>, daily: Option<i64> },
}

/// One account: what was ever done to it.
#[derive(Clone, Debug, Default)]
struct Account {
    entries: Vec<i64>,
    credit_limit: i64,
    calls: Option<u32>,
    cps: Option<u32>,
    daily: Option<i64>,
    admitted_ms: Vec<u64>,
    /// Charges and the day in which each counts, in order.
    spent: Vec<(i32, i64)>,
    /// The latest day that the wallet was shown.
    latest: Option<i32>,
    overdraws: u64,
    overdrawn: i64,
}

#[derive(Clone, Debug)]
struct Call {
    chain: Vec<usize>,
    holds: Vec<i64>,
    prices: Vec<Price>,
    funded: u32,
}

#[derive(Clone, Debug)]
struct Model {
    accounts: Vec<Account>,
    calls: Vec<Call>,
    now_ms: u64,
    day: i32,
    /// What the last reservation came to: funded and affordable seconds, or the payer and why not.
    outcome: Result<(u32, u32, Vec<i64>), (usize, RefusalReason)>,
    /// What the last extension came to: funded and affordable seconds.
    extended: (u32, u32),
    /// Whether the last adjustment was made.
    adjusted: bool,
}

impl Model {
    fn held(&self, account: usize) -> i64 {
        let of_call =
            |call: &Call| call.chain.iter().position(|at| *at == account).map_or(0, |n| call.holds[n]);
        self.calls.iter().map(of_call).sum()
    }

    fn live(&self, account: usize) -> usize {
        self.calls.iter().filter(|call| call.chain.contains(&account)).count()
    }

    fn balance(&self, account: usize) -> i64 {
        self.accounts[account].entries.iter().sum()
    }

    fn available(&self, account: usize) -> i64 {
        self.balance(account) + self.accounts[account].credit_limit - self.held(account)
    }

    /// Days never go back: one before the latest counts as that.
    fn counted_day(&self, account: usize, day: i32) -> i32 {
        self.accounts[account].latest.map_or(day, |latest| latest.max(day))
    }

    fn spent(&self, account: usize, day: i32) -> i64 {
        let day = self.counted_day(account, day);
        let of_day = self.accounts[account].spent.iter().filter(|(counted, _)| *counted == day);
        of_day.map(|(_, amount)| amount).sum()
    }

    fn show_day(&mut self, account: usize, day: i32) {
        self.accounts[account].latest = Some(self.counted_day(account, day));
    }

    fn reserve(
        &self,
        chain: &[usize],
        prices: &[Price],
        caps: u32,
        slice: Option<u32>,
    ) -> Result<(u32, u32, Vec<i64>), (usize, RefusalReason)> {
        let mut affordable = caps;
        for (payer, account) in chain.iter().enumerate() {
            let rules = &self.accounts[*account];
            if rules.calls.is_some_and(|most| self.live(*account) >= most as usize) {
                return Err((payer, RefusalReason::CallLimit));
            }
            let recent = rules.admitted_ms.iter().filter(|at| **at + 1_000 > self.now_ms).count();
            if rules.cps.is_some_and(|most| recent >= most as usize) {
                return Err((payer, RefusalReason::CpsLimit));
            }
            let available = self.available(*account);
            let left = rules.daily.map(|most| most - self.spent(*account, self.day) - self.held(*account));
            let pays = |budget: i64, seconds: u32| budget >= 0 && prices[payer].of(seconds) <= budget;
            let all = |seconds: u32| pays(available, seconds) && left.is_none_or(|left| pays(left, seconds));
            affordable = match (1..=affordable).rev().find(|seconds| all(*seconds)) {
                Some(seconds) => seconds,
                None if pays(available, 1) => return Err((payer, RefusalReason::DailyLimit)),
                None => return Err((payer, RefusalReason::NoCredit)),
            };
        }
        let funded = slice.map_or(affordable, |seconds| seconds.clamp(1, affordable));
        Ok((funded, affordable, prices.iter().take(chain.len()).map(|price| price.of(funded)).collect()))
    }
}

/// The longest call, at most `caps`, that everybody pays, and what is funded of it, without taking anything.
fn extension(state: &Model, call: &Call, target: u32, caps: u32, day: i32) -> (u32, u32) {
    let pays = |seconds: u32| {
        call.chain.iter().enumerate().all(|(n, account)| {
            let credit = state.available(*account) + call.holds[n];
            let held_for_others = state.held(*account) - call.holds[n];
            let left = state.accounts[*account]
                .daily
                .map(|most| most - state.spent(*account, day) - held_for_others);
            let cost = call.prices[n].of(seconds);
            credit >= 0 && cost <= credit && left.is_none_or(|left| left >= 0 && cost <= left)
        })
    };
    let affordable = (1..=caps).rev().find(|seconds| pays(*seconds)).unwrap_or(0);
    let funded = target.min(affordable).max(call.funded);
    (funded, affordable.max(call.funded))
}

fn price() -> impl Strategy<Value = Price> {
    (0..20_i64, prop_oneof![4 => 0..60_i64, 1 => Just(0)], prop_oneof![Just(1_u32), Just(6), Just(60)])
        .prop_map(|(fee, block_nanos, block_seconds)| Price { fee, block_nanos, block_seconds })
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Self> {
        proptest::collection::vec(0..4_000_i64, PARENTS.len())
            .prop_map(|balances| Self {
                accounts: balances
                    .into_iter()
                    .map(|balance| Account { entries: vec![balance], ..Account::default() })
                    .collect(),
                calls: Vec::new(),
                now_ms: 0,
                day: 50,
                outcome: Err((0, RefusalReason::NoCredit)),
                extended: (0, 0),
                adjusted: true,
            })
            .boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Transition> {
        let account = 0..PARENTS.len();
        prop_oneof![
            8 => (
                account.clone(),
                proptest::collection::vec(price(), MAX_PAYERS),
                1..200_u32,
                proptest::option::of(0..120_u32),
                prop_oneof![Just(0), 0..1_200_u64],
                -1..=1_i32,
            )
                .prop_map(|(account, prices, caps, slice, after_ms, day)| {
                    Transition::Reserve { account, prices, caps, slice, after_ms, day }
                }),
            4 => (any::<Index>(), -20..120_i64, 1..300_u32, -1..=1_i32)
                .prop_map(|(call, more, caps, day)| Transition::Extend { call, more, caps, day }),
            4 => (any::<Index>(), any::<[u8; MAX_PAYERS]>(), -1..=1_i32).prop_map(|(call, shares, day)| {
                // Mostly at most what is held, now and then more.
                Transition::Settle { call, shares: shares.map(|share| i64::from(share) / 20), day }
            }),
            2 => any::<Index>().prop_map(|call| Transition::Release { call }),
            2 => (account.clone(), -3_000..3_000_i64, any::<bool>())
                .prop_map(|(account, delta, guarded)| Transition::Adjust { account, delta, guarded }),
            1 => (account.clone(), 0..1_000_i64, any::<bool>())
                .prop_map(|(account, limit, guarded)| Transition::CreditLimit { account, limit, guarded }),
            1 => (
                account,
                proptest::option::of(0..4_u32),
                proptest::option::of(0..3_u32),
                proptest::option::of(0..3_000_i64),
            )
                .prop_map(|(account, calls, cps, daily)| Transition::Limit { account, calls, cps, daily }),
        ]
        .boxed()
    }

    fn preconditions(state: &Self, transition: &Transition) -> bool {
        match transition {
            Transition::Extend { .. } | Transition::Settle { .. } | Transition::Release { .. } => {
                !state.calls.is_empty()
            }
            _ => true,
        }
    }

    fn apply(mut state: Self, transition: &Transition) -> Self {
        match transition {
            Transition::Reserve { account, prices, caps, slice, after_ms, day } => {
                state.now_ms += after_ms;
                state.day += day;
                let chain = chain_of(*account);
                state.outcome = state.reserve(&chain, prices, *caps, *slice);
                let looked_at = state.outcome.as_ref().map_or_else(|(payer, _)| payer + 1, |_| chain.len());
                for account in &chain[..looked_at] {
                    state.show_day(*account, state.day);
                }
                if let Ok((funded, _, holds)) = &state.outcome {
                    for account in &chain {
                        let now_ms = state.now_ms;
                        let known = &mut state.accounts[*account];
                        // Without a limit nothing is remembered.
                        if known.cps.is_some() {
                            known.admitted_ms.push(now_ms);
                        } else {
                            known.admitted_ms.clear();
                        }
                    }
                    let (holds, funded) = (holds.clone(), *funded);
                    state.calls.push(Call { chain, holds, prices: prices.clone(), funded });
                }
            }
            Transition::Extend { call, more, caps, day } => {
                let at = call.index(state.calls.len());
                let call = &state.calls[at];
                let target = u32::try_from(i64::from(call.funded) + more).unwrap_or(0);
                state.extended = extension(&state, call, target, *caps, state.day + day);
                let (funded, _) = state.extended;
                for account in state.calls[at].chain.clone() {
                    state.show_day(account, state.day + day);
                }
                let call = &mut state.calls[at];
                if funded > call.funded {
                    for (hold, price) in call.holds.iter_mut().zip(&call.prices) {
                        *hold = price.of(funded).max(*hold);
                    }
                    call.funded = funded;
                }
            }
            Transition::Settle { call, shares, day } => {
                let call = state.calls.swap_remove(call.index(state.calls.len()));
                for (n, account) in call.chain.iter().enumerate() {
                    let charge = call.holds[n] * shares[n] / 10;
                    // The call's hold is given back already.
                    let before = state.available(*account) - call.holds[n];
                    let after = before + call.holds[n] - charge;
                    if charge > 0 {
                        state.show_day(*account, state.day + day);
                    }
                    let counted = state.counted_day(*account, state.day + day);
                    let further = (-after).max(0) - (-before).max(0);
                    let account = &mut state.accounts[*account];
                    account.entries.push(-charge);
                    account.overdraws += u64::from(further > 0);
                    account.overdrawn += further.max(0);
                    if charge > 0 {
                        account.spent.push((counted, charge));
                    }
                }
            }
            Transition::Release { call } => {
                state.calls.swap_remove(call.index(state.calls.len()));
            }
            Transition::Adjust { account, delta, guarded } => {
                state.adjusted = !guarded || *delta >= 0 || state.available(*account) + delta >= 0;
                if state.adjusted {
                    state.accounts[*account].entries.push(*delta);
                }
            }
            Transition::CreditLimit { account, limit, guarded } => {
                let change = limit - state.accounts[*account].credit_limit;
                state.adjusted = !guarded || change >= 0 || state.available(*account) + change >= 0;
                if state.adjusted {
                    state.accounts[*account].credit_limit = *limit;
                }
            }
            Transition::Limit { account, calls, cps, daily } => {
                let account = &mut state.accounts[*account];
                (account.calls, account.cps, account.daily) = (*calls, *cps, *daily);
            }
        }
        state
    }
}

struct LiveCall {
    accounts: Vec<usize>,
    holds: Holds,
    prices: Vec<Price>,
    funded: u32,
}

struct Wallets {
    accounts: Vec<Wallet>,
    calls: Vec<LiveCall>,
    now_ms: u64,
    day: i32,
}

fn chain<'a>(wallets: &'a [Wallet], accounts: &[usize]) -> Chain<'a> {
    let payers: Vec<&Wallet> = accounts.iter().map(|account| &wallets[*account]).collect();
    Chain::new(&payers).unwrap()
}

fn guarded(guarded: bool) -> Guarded {
    if guarded { Guarded::Yes } else { Guarded::No }
}

impl StateMachineTest for Wallets {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(model: &Model) -> Self {
        let wallets = (0..PARENTS.len()).map(|n| Wallet::new(Money::from_nanos(model.balance(n)))).collect();
        Self { accounts: wallets, calls: Vec::new(), now_ms: model.now_ms, day: model.day }
    }

    fn apply(mut state: Self, model: &Model, transition: Transition) -> Self {
        match transition {
            Transition::Reserve { account, prices, caps, slice, after_ms, day } => {
                state.now_ms += after_ms;
                state.day += day;
                let request = ReserveRequest {
                    caps_seconds: caps,
                    slice: slice.map_or(Slice::Full, Slice::Seconds),
                    now_ms: state.now_ms,
                    days: [Day::numbered(state.day); MAX_PAYERS],
                };
                let accounts = chain_of(account);
                match (chain(&state.accounts, &accounts).reserve(&prices, &request), &model.outcome) {
                    (Ok(grant), Ok((funded, affordable, holds))) => {
                        let Grant { limit_seconds, affordable_seconds, funded_seconds, holds: held } = grant;
                        assert_eq!(
                            (limit_seconds, affordable_seconds, funded_seconds),
                            (caps, *affordable, *funded)
                        );
                        assert!(held.amounts().iter().map(|amount| amount.nanos()).eq(holds.iter().copied()));
                        state.calls.push(LiveCall { accounts, holds: held, prices, funded: funded_seconds });
                    }
                    (Err(Refusal { payer_index, reason }), Err(expected)) => {
                        assert_eq!((payer_index, reason), *expected);
                    }
                    (outcome, expected) => panic!("{outcome:?}, expected {expected:?}"),
                }
            }
            Transition::Extend { call, more, caps, day } => {
                let at = call.index(state.calls.len());
                let LiveCall { accounts, holds, prices, funded } = &mut state.calls[at];
                let request = ExtendRequest {
                    caps_seconds: caps,
                    funded_seconds: *funded,
                    target_seconds: u32::try_from(i64::from(*funded) + more).unwrap_or(0),
                    days: [Day::numbered(state.day + day); MAX_PAYERS],
                };
                let Extended { funded_seconds, affordable_seconds } =
                    chain(&state.accounts, accounts).extend(holds, prices, &request);
                assert_eq!((funded_seconds, affordable_seconds), model.extended);
                *funded = funded_seconds;
            }
            Transition::Settle { call, shares, day } => {
                let LiveCall { accounts, holds, .. } = state.calls.swap_remove(call.index(state.calls.len()));
                let shared = holds.amounts().iter().zip(shares);
                let charges: Vec<_> =
                    shared.map(|(hold, share)| Money::from_nanos(hold.nanos() * share / 10)).collect();
                let days = [Day::numbered(state.day + day); MAX_PAYERS];
                chain(&state.accounts, &accounts).settle(holds, &charges, &days).unwrap();
            }
            Transition::Release { call } => {
                let LiveCall { accounts, holds, .. } = state.calls.swap_remove(call.index(state.calls.len()));
                chain(&state.accounts, &accounts).release(holds).unwrap();
            }
            Transition::Adjust { account, delta, guarded: yes } => {
                let adjusted = state.accounts[account].adjust(Money::from_nanos(delta), guarded(yes));
                assert_eq!(adjusted.is_ok(), model.adjusted, "{adjusted:?}");
            }
            Transition::CreditLimit { account, limit, guarded: yes } => {
                let set = state.accounts[account].set_credit_limit(Money::from_nanos(limit), guarded(yes));
                assert_eq!(set.is_ok(), model.adjusted, "{set:?}");
            }
            Transition::Limit { account, calls, cps, daily } => state.accounts[account].set_limits(Limits {
                concurrent_calls: calls,
                calls_per_second: cps,
                daily_spend: daily.map(Money::from_nanos),
            }),
        }
        state
    }

    fn check_invariants(state: &Self, model: &Model) {
        for (account, wallet) in state.accounts.iter().enumerate() {
            let (snapshot, expected) = (wallet.snapshot(), &model.accounts[account]);
            assert_eq!(snapshot.balance.nanos(), model.balance(account));
            assert_eq!(snapshot.held.nanos(), model.held(account));
            assert_eq!(snapshot.available.nanos(), model.available(account));
            assert_eq!(snapshot.calls as usize, model.live(account));
            assert_eq!(
                (snapshot.overdraws, snapshot.overdrawn.nanos()),
                (expected.overdraws, expected.overdrawn)
            );
            let spent = expected.latest.map_or(0, |day| model.spent(account, day));
            assert_eq!(snapshot.spent.nanos(), spent);
        }
    }
}

prop_state_machine! {
    #![proptest_config(Config { cases: 400, failure_persistence: None, ..Config::default() })]

    #[test]
    fn wallets_do_what_the_plain_model_does(sequential 1..80 => Wallets);
}
