//! Rating as slowly and obviously as it can be said: straight from the rows of a deck, one block at a time, in exact
//! rationals, every window looked up in the calendar. It shares nothing with the code under test but the rows.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use num_rational::Ratio;
use tollgate_rating::{
    Money, PlanTerms, RateRow,
    plan::{BlockRounding, Derivation, DurationRounding, RoundingMode},
    tariff::ValidityBound,
};

pub(crate) type Exact = Ratio<i128>;

/// One block of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub(crate) begin: u64,
    pub(crate) seconds: u64,
    pub(crate) price: Exact,
}

/// The rate of one call: the deck's rows that hold, each with the minutes a week for which it is open, the plan and its levels.
pub(crate) struct Oracle<'a> {
    rows: Vec<(&'a RateRow, u32)>,
    number: &'a str,
    terms: &'a PlanTerms,
    levels: &'a [Derivation],
}

fn instant(bound: ValidityBound, zone: &TimeZone) -> Timestamp {
    match bound {
        ValidityBound::Instant(instant) => instant,
        ValidityBound::Date(date) => date.to_zoned(zone.clone()).unwrap().timestamp(),
    }
}

fn begin(row: &RateRow, zone: &TimeZone) -> Timestamp {
    row.valid_from.map_or(Timestamp::MIN, |bound| instant(bound, zone))
}

fn end(row: &RateRow, zone: &TimeZone) -> Timestamp {
    row.valid_until.map_or(Timestamp::MAX, |bound| instant(bound, zone))
}

/// Minutes a week for which a row's window is open.
fn width(row: &RateRow) -> u32 {
    (0..7 * 1440).filter(|minute| open(row, minute / 1440, minute % 1440)).count().try_into().unwrap()
}

/// Whether a row's window is open at a minute of a day (0 is Monday).
fn open(row: &RateRow, day: u32, minute: u32) -> bool {
    let opens = |day: u32| row.days.bits() >> day & 1 == 1;
    let (from, to) = (u32::from(row.from_minute), u32::from(row.to_minute));
    if from < to {
        return opens(day) && from <= minute && minute < to;
    }
    (opens(day) && minute >= from) || (opens((day + 6) % 7) && minute < to)
}

fn half_up(value: Exact) -> Exact {
    (value + Exact::new(1, 2)).floor()
}

impl<'a> Oracle<'a> {
    /// The rate of a number in a deck at the time of authorisation, or none.
    pub(crate) fn find(
        deck: &'a [RateRow],
        number: &'a str,
        at: Timestamp,
        terms: &'a PlanTerms,
        levels: &'a [Derivation],
    ) -> Option<Self> {
        let zone = &terms.zone;
        let holds = |row: &&RateRow| {
            number.starts_with(&row.prefix.to_string()) && begin(row, zone) <= at && at < end(row, zone)
        };
        let candidates: Vec<&RateRow> = deck.iter().filter(holds).collect();
        let longest = candidates.iter().map(|row| row.prefix.digits()).max()?;
        let of_prefix = || candidates.iter().copied().filter(|row| row.prefix.digits() == longest);
        let latest = of_prefix().map(|row| begin(row, zone)).max()?;
        let soonest = of_prefix().filter(|row| begin(row, zone) == latest).map(|row| end(row, zone)).min()?;
        let rows = of_prefix().filter(|row| begin(row, zone) == latest && end(row, zone) == soonest);
        let rows = rows.map(|row| (row, width(row))).collect();
        Some(Self { rows, number, terms, levels })
    }

    /// The rows of the window that is open at an instant, by their steps.
    fn window(&self, at: Timestamp) -> Vec<&'a RateRow> {
        let local = at.to_zoned(self.terms.zone.clone());
        let day = u32::from(local.weekday().to_monday_zero_offset().unsigned_abs());
        let minute = u32::from(local.hour().unsigned_abs()) * 60 + u32::from(local.minute().unsigned_abs());
        let open = || self.rows.iter().filter(|(row, _)| open(row, day, minute));
        let narrowest = open().map(|(_, width)| *width).min().unwrap();
        let mut rows: Vec<&RateRow> =
            open().filter(|(_, width)| *width == narrowest).map(|(row, _)| *row).collect();
        rows.sort_by_key(|row| row.step_start);
        rows
    }

    fn marked_up(amount: Exact, levels: &[Derivation]) -> Exact {
        levels.iter().fold(amount, |amount, level| {
            half_up(amount * Exact::new(1_000_000 + i128::from(level.percent().millionths()), 1_000_000))
        })
    }

    /// An amount of the deck at the plan's level, in nano-units.
    fn amount(&self, amount: Money) -> Exact {
        Self::marked_up(Exact::from_integer(amount.nanos().into()), self.levels)
    }

    /// The price of a minute at the plan's level, in nano-units, and the prefix whose price it is.
    pub(crate) fn price(&self, row: &RateRow) -> (Exact, String) {
        let mut prefix = row.prefix.to_string();
        let mut price = Exact::from_integer(row.price_per_minute.nanos().into());
        for level in self.levels {
            let matching = level.overrides().filter(|(own, _)| self.number.starts_with(&own.to_string()));
            match matching.max_by_key(|(own, _)| own.digits()) {
                Some((own, own_price)) if own.to_string().len() >= prefix.len() => {
                    prefix = own.to_string();
                    price = Exact::from_integer(own_price.nanos().into());
                }
                _ => price = Self::marked_up(price, core::slice::from_ref(level)),
            }
        }
        (price, prefix)
    }

    /// The first row: whose connect fee, initial block, free and added time, least and largest charge hold.
    pub(crate) fn head(&self, answered: Timestamp) -> &'a RateRow {
        self.window(answered)[0]
    }

    /// The blocks of a call that begin before `seconds`.
    pub(crate) fn blocks(&self, answered: Timestamp, seconds: u64) -> Vec<Block> {
        let first = self.head(answered);
        let (initial, grid) = (u64::from(first.initial_block), u64::from(first.increment));
        let mut blocks = Vec::new();
        let mut at = 0;
        while at < seconds {
            let now = answered + SignedDuration::from_secs(at.try_into().unwrap());
            let window = self.window(now);
            let step = window.iter().rev().find(|row| u64::from(row.step_start) <= at).unwrap();
            let (block, priced) = match self.terms.block_rounding {
                _ if at == 0 && initial > 0 => (initial, first),
                BlockRounding::AfterInitial => (u64::from(step.increment), *step),
                BlockRounding::Whole => ((at / grid + 1) * grid - at, *step),
            };
            blocks.push(Block { begin: at, seconds: block, price: self.price(priced).0 });
            at += block;
        }
        blocks
    }

    /// Whole seconds as the plan counts them, added time included.
    pub(crate) fn seconds(&self, ms: u64, answered: Timestamp) -> u64 {
        let exact = Ratio::new(u128::from(ms), 1000);
        let whole = match self.terms.duration_rounding {
            DurationRounding::Up => exact.ceil(),
            DurationRounding::Down => exact.floor(),
            DurationRounding::HalfUp => (exact + Ratio::new(1, 2)).floor(),
        };
        u64::try_from(whole.to_integer()).unwrap() + u64::from(self.head(answered).additional_time)
    }

    /// The charge of time that cost so many nano-units: fee, bounds and the one rounding; none
    /// where it is no amount.
    pub(crate) fn total(&self, time: Exact, answered: Timestamp) -> Option<Money> {
        let head = self.head(answered);
        let mut cost = self.amount(head.connect_fee) + time;
        if let Some(min) = head.min_charge {
            cost = cost.max(self.amount(min));
        }
        if let Some(max) = head.max_charge {
            cost = cost.min(self.amount(max));
        }
        let unit = Exact::from_integer(10_i128.pow(9 - u32::from(self.terms.rounding.decimals())));
        let units = cost / unit;
        let middle = units.fract() == Exact::new(1, 2);
        let rounded = match self.terms.rounding.mode() {
            RoundingMode::Up => units.ceil(),
            RoundingMode::Down => units.floor(),
            RoundingMode::HalfEven if middle && units.floor().to_integer() % 2 == 0 => units.floor(),
            RoundingMode::HalfUp | RoundingMode::HalfEven => half_up(units),
        };
        (rounded * unit).to_integer().try_into().ok().map(Money::from_nanos)
    }

    /// The charge of a call and its billed seconds; none where it is no amount.
    pub(crate) fn charge(&self, ms: u64, answered: Timestamp) -> Option<(Money, u64)> {
        let seconds = self.seconds(ms, answered);
        if ms == 0 || seconds <= u64::from(self.head(answered).free_below) {
            return Some((Money::ZERO, 0));
        }
        let mut time = Exact::from_integer(0);
        let mut billed = 0;
        for block in self.blocks(answered, seconds) {
            time += block.price * Exact::new(block.seconds.into(), 60);
            billed += block.seconds;
        }
        Some((self.total(time, answered)?, billed))
    }

    /// The charges of calls of 1, 2, … `cap` whole seconds.
    pub(crate) fn charges(&self, cap: u64, answered: Timestamp) -> Vec<Money> {
        let head = self.head(answered);
        let (added, free) = (u64::from(head.additional_time), u64::from(head.free_below));
        let mut blocks = self.blocks(answered, cap + added).into_iter().peekable();
        let mut time = Exact::from_integer(0);
        let mut charges = Vec::new();
        for seconds in 1 + added..=cap + added {
            while let Some(block) = blocks.next_if(|block| block.begin < seconds) {
                time += block.price * Exact::new(block.seconds.into(), 60);
            }
            charges.push(if seconds <= free { Money::ZERO } else { self.total(time, answered).unwrap() });
        }
        charges
    }
}
