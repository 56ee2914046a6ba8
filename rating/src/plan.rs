//! A plan: a tariff as it is sold, with the markups of the plans between.

mod listed;
mod markup;
mod priced;
mod segments;

pub use self::{
    listed::{PrefixPage, PriceList},
    markup::{Derivation, Markup, MarkupError, OverrideError},
    priced::{NoRate, PlanTerms, PricedTariff},
    segments::{Cheapest, SegmentRate},
};
pub use crate::rounding::{BlockRounding, DurationRounding, Rounding, RoundingMode, UnknownName};
