//! What every way out for messages has in common: it is given one, says what became of it, and hears of it later.

use std::fmt::Debug;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use tollgate_rating::Money;

/// The alphabet a text is sent in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// The GSM 7-bit default alphabet with its extension table (3GPP TS 23.038).
    Gsm7,
    /// UCS-2, for everything else.
    Ucs2,
}

impl Encoding {
    /// The stored name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gsm7 => "gsm7",
            Self::Ucs2 => "ucs2",
        }
    }

    /// Parses a stored name.
    pub fn parse(name: &str) -> Self {
        if name == "gsm7" { Self::Gsm7 } else { Self::Ucs2 }
    }
}

/// A message as it is given to a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Our name for it, unique for ever: 32 hexadecimal digits. A provider that keeps it can be asked by it.
    pub reference: String,
    /// To whom: E.164 digits without `+`.
    pub to: String,
    /// What it should show as its sender: a number, or at most 11 letters and digits.
    pub sender_id: Option<String>,
    /// The text.
    pub text: String,
    /// Its alphabet.
    pub encoding: Encoding,
    /// How many segments it is charged as.
    pub segments: u16,
}

/// A message that a provider has taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The provider's names for it, one for each part that it names apart; receipts come under them. None where it
    /// gives none.
    pub upstream_ids: Vec<String>,
    /// What the provider says it costs, where it says so, in the provider's currency.
    pub cost: Option<Money>,
}

/// What became of a message that was given to a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It was taken.
    Accepted(Accepted),
    /// It was refused, for ever: the same message again would be refused again.
    Refused {
        /// What the provider says, for people; without secrets.
        reason: String,
    },
    /// It was provably not taken, and may be given again: no connection, throttled, busy, no credit of ours.
    NotTaken {
        /// Why, for people and the log; without secrets.
        reason: String,
        /// How long the provider is to be left alone; none where only this message was not taken.
        pause: Option<Duration>,
    },
    /// Whether it was taken is not known, and it must not be given again: the link broke after it was sent, the answer was
    /// no answer, a part of several was taken.
    Unknown {
        /// Why, for people and the log; without secrets.
        reason: String,
        /// Of which parts it is known that they were taken.
        taken: Accepted,
    },
}

/// What a provider says of a message that it was asked about by our reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It has it.
    Taken(Accepted),
    /// It cannot tell, or does not know it (yet): no proof of anything.
    CannotTell,
}

/// Where a message is, as its provider says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// On its way: no change.
    UnderWay,
    /// The phone has it.
    Delivered,
    /// It could not be delivered.
    Failed,
    /// It was not delivered in time.
    Expired,
    /// The network refused it.
    Rejected,
    /// The provider does not know any more.
    Unknown,
}

/// A delivery receipt. They may be late, repeated and out of order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The provider's name for the message or its part.
    pub upstream_id: String,
    /// Where it is.
    pub delivery: Delivery,
    /// When, as the provider says.
    pub at: Option<Timestamp>,
    /// The network's code or text of a failure, short.
    pub failure: Option<String>,
}

/// Where connectors bring receipts that they are told. It returns when the receipt is durable; `Err` means that it is not,
/// and the provider should be made to tell it again.
pub trait Receipts: Send + Sync + Debug {
    /// Takes a receipt of this provider's.
    fn take<'a>(&'a self, provider: &'a str, receipt: Receipt) -> BoxFuture<'a, Result<(), NotKept>>;
}

/// A receipt could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the receipt was not kept: {0}")]
pub struct NotKept(pub String);

/// A way out for messages.
pub trait Connector: Send + Sync + Debug {
    /// Gives the provider a message, once. It returns within 30 s, and does not send again by itself what may have been
    /// taken.
    fn submit(&self, message: Outgoing) -> BoxFuture<'_, Submitted>;

    /// Asks for a message whose outcome is not known.
    fn find<'a>(&'a self, reference: &'a str, to: &'a str) -> BoxFuture<'a, Found>;

    /// Whether the provider keeps our reference and can be asked by it.
    fn can_find(&self) -> bool;

    /// Asks where a message is. `None` where the provider cannot be asked, does not answer or does not know.
    fn ask<'a>(&'a self, upstream_id: &'a str) -> BoxFuture<'a, Option<Receipt>>;

    /// Whether messages must be asked about, because the provider tells nothing by itself.
    fn is_asked(&self) -> bool;

    /// Whether it is ready to take messages, for health and people.
    fn is_up(&self) -> bool;

    /// Ends its connections and tasks.
    fn close(&self) -> BoxFuture<'_, ()>;
}
