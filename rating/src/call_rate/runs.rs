//! A call's time as runs of equal blocks.

use super::{
    clock::WeekClock,
    rate::{Step, WindowTerms, Windowed},
};
use crate::{money::Money, rounding::BlockRounding, terms::Head};

/// Blocks of one length and price that follow each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    /// The second of the call at which the first begins.
    pub(super) from: u64,
    /// The seconds of a block.
    pub(super) block: u64,
    /// How many there are: at least one.
    pub(super) count: u64,
    pub(super) price_per_minute: Money,
}

impl Run {
    pub(super) fn seconds(&self) -> u64 {
        self.block * self.count
    }

    /// Its price, in sixtieths of a nano-unit.
    pub(super) fn sixtieths(&self) -> i128 {
        i128::from(self.seconds()) * i128::from(self.price_per_minute.nanos())
    }
}

/// The runs that bill a call of some seconds, in order; every block begins before the call's end.
pub(super) struct Runs<'a, 'c> {
    windows: &'a Windowed,
    clock: &'c mut WeekClock<'a>,
    answered: i64,
    seconds: u64,
    first: &'a WindowTerms,
    block_rounding: BlockRounding,
    at: u64,
}

impl<'a, 'c> Runs<'a, 'c> {
    /// The runs of a call of `seconds` answered at a second since the epoch.
    pub(super) fn new(
        windows: &'a Windowed,
        clock: &'c mut WeekClock<'a>,
        answered: i64,
        seconds: u64,
        block_rounding: BlockRounding,
    ) -> Self {
        let first = windows.window(clock.at(answered).0);
        Self { windows, clock, answered, seconds, first, block_rounding, at: 0 }
    }

    fn run(&mut self) -> Run {
        let initial = u64::from(self.first.head.initial_block);
        if self.at == 0 && initial > 0 {
            let price_per_minute = self.first.steps[0].price_per_minute;
            return Run { from: 0, block: initial, count: 1, price_per_minute };
        }
        let (window, until) = self.clock.at(self.answered.saturating_add_unsigned(self.at));
        let steps = &self.windows.window(window).steps;
        let begun = steps.partition_point(|step| u64::from(step.start) <= self.at);
        let step = steps[begun.saturating_sub(1)];
        let step_until = steps.get(begun).map_or(u64::MAX, |next| u64::from(next.start));
        let window_until = u64::try_from(until.saturating_sub(self.answered)).unwrap_or(u64::MAX);
        let until = self.seconds.min(window_until).min(step_until);
        debug_assert!(until > self.at, "a segment has a length");
        run(self.at, until, step, self.block_rounding, self.first.steps[0])
    }
}

/// The blocks that begin from `at` until `until`, exclusive. `whole` blocks end at the multiples of the first step's
/// increment.
fn run(at: u64, until: u64, step: Step, block_rounding: BlockRounding, first: Step) -> Run {
    let price_per_minute = step.price_per_minute;
    let block = match block_rounding {
        BlockRounding::AfterInitial => u64::from(step.increment),
        BlockRounding::Whole => {
            let block = u64::from(first.increment);
            let over = at % block;
            if over > 0 {
                return Run { from: at, block: block - over, count: 1, price_per_minute };
            }
            block
        }
    };
    Run { from: at, block, count: until.saturating_sub(at).div_ceil(block).max(1), price_per_minute }
}

impl Iterator for Runs<'_, '_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        if self.at >= self.seconds {
            return None;
        }
        let run = self.run();
        self.at += run.seconds();
        Some(run)
    }
}

/// The seconds that a plain rate bills for a call of at least one second.
pub(super) fn plain_billed(head: &Head, step: Step, seconds: u64, block_rounding: BlockRounding) -> u64 {
    let initial = u64::from(head.initial_block);
    let increment = u64::from(step.increment);
    match block_rounding {
        _ if seconds <= initial => initial,
        BlockRounding::AfterInitial => initial + (seconds - initial).div_ceil(increment) * increment,
        BlockRounding::Whole => seconds.div_ceil(increment) * increment,
    }
}
