//! The columns of a deck and the names that an export and `--columns` give them.

use crate::catalog::TariffKind;

/// The meaning of a column of a deck.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Column {
    /// The whole prefix in international digits.
    Prefix,
    /// The country's part of the prefix, where a deck splits it; [`Column::AreaCode`] follows it.
    CountryCode,
    /// The rest of the prefix, where a deck splits it.
    AreaCode,
    /// Price of a minute; in a deck of messages of a segment.
    PricePerMinute,
    /// The destination's name.
    Destination,
    /// Charged once per answered call.
    ConnectFee,
    /// Seconds of the first block.
    InitialBlock,
    /// Seconds of each further block.
    Increment,
    /// Both blocks in one field, `60/60`; a single number is both.
    Blocks,
    /// Answered seconds after which this price begins.
    StepStart,
    /// ISO days of the week, `1-5` or `6,7`.
    Days,
    /// Time of day from which the price is valid.
    FromTime,
    /// Time of day before which the price is valid.
    ToTime,
    /// First moment of validity.
    ValidFrom,
    /// First moment after validity.
    ValidUntil,
    /// Calls of at most this many seconds cost nothing.
    FreeBelow,
    /// `A2Billing`'s `min_duration_2bill`: calls *shorter* than this cost nothing.
    FreeShorterThan,
    /// Seconds added to each answered duration.
    AdditionalTime,
    /// The least an answered call costs.
    MinCharge,
    /// The most a call costs.
    MaxCharge,
    /// True if calls to the prefix are refused.
    Blocked,
    /// A price term of another system that has no counterpart: must be empty or zero, lest the deck be billed wrongly.
    Unsupported,
}

/// Names of the columns of a canonical deck, in the order an export writes them.
pub const CANONICAL: [&str; 17] = [
    "prefix",
    "price_per_minute",
    "destination",
    "connect_fee",
    "initial_block",
    "increment",
    "step_start",
    "days",
    "from_time",
    "to_time",
    "valid_from",
    "valid_until",
    "free_below",
    "additional_time",
    "min_charge",
    "max_charge",
    "blocked",
];

impl Column {
    /// The name an error gives it where the deck's own header is not at hand.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prefix => "prefix",
            Self::CountryCode => "country_code",
            Self::AreaCode => "area_code",
            Self::PricePerMinute => "price_per_minute",
            Self::Destination => "destination",
            Self::ConnectFee => "connect_fee",
            Self::InitialBlock => "initial_block",
            Self::Increment => "increment",
            Self::Blocks => "billing_increment",
            Self::StepStart => "step_start",
            Self::Days => "days",
            Self::FromTime => "from_time",
            Self::ToTime => "to_time",
            Self::ValidFrom => "valid_from",
            Self::ValidUntil => "valid_until",
            Self::FreeBelow => "free_below",
            Self::FreeShorterThan => "min_duration_2bill",
            Self::AdditionalTime => "additional_time",
            Self::MinCharge => "min_charge",
            Self::MaxCharge => "max_charge",
            Self::Blocked => "blocked",
            Self::Unsupported => "ignore",
        }
    }

    /// The name it has in a deck of that kind.
    pub(super) const fn name_in(self, kind: TariffKind) -> &'static str {
        match (self, kind) {
            (Self::PricePerMinute, TariffKind::Sms) => "price",
            _ => self.name(),
        }
    }

    /// Reports whether a deck of messages has it.
    pub(super) const fn is_of_messages(self) -> bool {
        matches!(
            self,
            Self::Prefix
                | Self::CountryCode
                | Self::AreaCode
                | Self::PricePerMinute
                | Self::Destination
                | Self::ValidFrom
                | Self::ValidUntil
                | Self::Blocked
        )
    }

    /// The column that `--columns` calls so; `price` is that of whatever the deck prices.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        const NAMED: [Column; 21] = [
            Column::Prefix,
            Column::CountryCode,
            Column::AreaCode,
            Column::PricePerMinute,
            Column::Destination,
            Column::ConnectFee,
            Column::InitialBlock,
            Column::Increment,
            Column::Blocks,
            Column::StepStart,
            Column::Days,
            Column::FromTime,
            Column::ToTime,
            Column::ValidFrom,
            Column::ValidUntil,
            Column::FreeBelow,
            Column::FreeShorterThan,
            Column::AdditionalTime,
            Column::MinCharge,
            Column::MaxCharge,
            Column::Blocked,
        ];
        let wanted = squeeze(name);
        if wanted == "price" {
            return Some(Self::PricePerMinute);
        }
        NAMED.into_iter().find(|column| squeeze(column.name()) == wanted)
    }
}

/// Headers are compared without case, spaces, underscores and punctuation.
pub(super) fn squeeze(header: &str) -> String {
    header.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
