//! The price of a call: its rate, its charge in closed form, and the inverse.
//!
//! A call's time is billed in blocks. The first is the initial block, at the first step's price of the window in
//! which the call is answered; every further one has the increment and the price of the window and the step in which
//! it begins. So between two changes of price the blocks are alike and are counted, not walked: neither a charge nor
//! the longest affordable duration costs more for a longer call.
//!
//! A window that begins so long after the answer begins at the first whole second of the call that is not before it.
//!
//! | price a minute | blocks | rounding of blocks | seconds | billed | charge |
//! |---|---|---|---|---|---|
//! | 0.05 | 30/6 | after initial | 45 | 48 | 0.04 |
//! | 0.012, connect 0.01 | 60/60 | after initial | 61 | 120 | 0.034 |
//! | 0.05 | 20/60 | after initial | 45 | 80 | 0.066667 |
//! | 0.05 | 20/60 | whole | 45 | 60 | 0.05 |
//!
//! ```
//! use jiff::Timestamp;
//! use std::sync::Arc;
//! use tollgate_rating::{AnswerRange, Money, PlanTerms, PricedTariff, RateRow, Tariff};
//!
//! let row = RateRow { initial_block: 30, increment: 6, ..RateRow::new(2, "49".parse().unwrap(), Money::parse("0.05").unwrap()) };
//! let tariff = Arc::new(Tariff::compile([row]).unwrap());
//! let plan = PricedTariff::new(tariff, Vec::new(), Arc::new(PlanTerms::default()));
//! let now = Timestamp::UNIX_EPOCH;
//! let rate = plan.rate("4930123456".parse().unwrap(), now).unwrap();
//!
//! let charge = rate.charge(44_200, now).unwrap();
//! assert_eq!((charge.billed_seconds, charge.amount.to_string()), (48, "0.04".to_owned()));
//! let credit = Money::parse("0.0399").unwrap();
//! assert_eq!(rate.max_seconds(credit, 14_400, AnswerRange::at(now)), 42);
//! ```

mod affordable;
mod charge;
mod clock;
mod rate;
mod runs;
mod wire;

pub(crate) use self::rate::{Form, WindowTerms, Windowed};
pub use self::{
    charge::{Charge, ChargeLimit, Part, Parts},
    rate::{
        AnswerRange, AnswerTerms, CallRate, MAX_ANSWER_RANGE_SECONDS, MAX_CALL_SECONDS, RatingError, Step,
    },
};
