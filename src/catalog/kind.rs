//! The kind of a tariff.

use std::fmt;

use crate::store::TariffVersion;

/// The kind of a tariff. It is set when the tariff is created and never changes.
///
/// A rate for messages is kept as a rate for calls is: its row's `price_per_minute` is the price of one segment, and every
/// other term has its default. Who reads such a row goes through this kind and [`PricedTariff::segment_rate`], which is
/// the only reading of it as a price of a segment.
///
/// [`PricedTariff::segment_rate`]: tollgate_rating::PricedTariff::segment_rate
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum TariffKind {
    /// Calls, by the minute.
    #[default]
    Voice,
    /// Messages, by the segment.
    Sms,
}

impl TariffKind {
    /// As it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::Sms => "sms",
        }
    }

    /// The priced service, for sentences.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Voice => "calls",
            Self::Sms => "messages",
        }
    }

    /// The kind of a stored tariff; the schema lets in no third word.
    pub fn of(version: &TariffVersion) -> Self {
        if version.kind == Self::Sms.as_str() { Self::Sms } else { Self::Voice }
    }
}

impl fmt::Display for TariffKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
