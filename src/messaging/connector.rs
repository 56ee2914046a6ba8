//! The trait of all connectors: a message is submitted, with an outcome at once and a receipt later.

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

/// A message as it is submitted to a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Our reference, unique for ever: 32 hexadecimal digits. A provider that keeps it can be searched by it.
    pub reference: String,
    /// The recipient: E.164 digits without `+`.
    pub to: String,
    /// The requested sender id: a number, or at most 11 letters and digits.
    pub sender_id: Option<String>,
    /// The text.
    pub text: String,
    /// Its alphabet.
    pub encoding: Encoding,
    /// Number of segments that are charged.
    pub segments: u16,
}

/// A message that a provider has accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The provider's ids, one for each part; receipts come under them. Empty if the provider returns none.
    pub upstream_ids: Vec<String>,
    /// The cost according to the provider, in its billing currency, if the provider reports it.
    pub cost: Option<Money>,
}

/// The outcome of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// Accepted.
    Accepted(Accepted),
    /// Refused for good: the same message would be refused again.
    Refused {
        /// The provider's reason, for people; without secrets.
        reason: String,
    },
    /// Provably not accepted; it may be submitted again: no connection, throttled, busy, no credit at the provider.
    NotAccepted {
        /// The reason, for people and the log; without secrets.
        reason: String,
        /// The pause that the provider needs; `None` if only this message was not accepted.
        pause: Option<Duration>,
    },
    /// Unknown; it must not be submitted again: the link broke after it was sent, the answer could not be parsed, a part of
    /// several was accepted.
    Unknown {
        /// The reason, for people and the log; without secrets.
        reason: String,
        /// The parts that are known to be accepted.
        accepted: Accepted,
    },
}

/// The answer to a search for a message by our reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The provider has it.
    Accepted(Accepted),
    /// The provider cannot tell, or does not know it (yet): no proof.
    CannotTell,
}

/// Delivery state of a message, according to its provider.
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
    /// Time of the state, according to the provider.
    pub at: Option<Timestamp>,
    /// The network's code or text of a failure, short.
    pub failure: Option<String>,
}

/// The recorder of receipts that connectors receive. It returns when the receipt is durable; after an error the provider
/// should be made to repeat it.
pub trait Receipts: Send + Sync + Debug {
    /// Records a receipt of a provider.
    fn record<'a>(&'a self, provider: &'a str, receipt: Receipt) -> BoxFuture<'a, Result<(), NotKept>>;
}

/// A receipt could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the receipt was not kept: {0}")]
pub struct NotKept(pub String);

/// A connection to a provider.
pub trait Connector: Send + Sync + Debug {
    /// Submits a message, at most once: never resubmits a message that the provider may already have accepted. Returns
    /// within 30 s.
    fn submit(&self, message: Outgoing) -> BoxFuture<'_, Submitted>;

    /// Searches for a message whose outcome is unknown.
    fn find<'a>(&'a self, reference: &'a str, to: &'a str) -> BoxFuture<'a, Found>;

    /// Reports whether the provider keeps our reference and can be asked by it.
    fn can_find(&self) -> bool;

    /// Fetches the delivery state of a message. `None` if the provider cannot be asked, does not answer or does not know.
    fn fetch_status<'a>(&'a self, upstream_id: &'a str) -> BoxFuture<'a, Option<Receipt>>;

    /// Reports whether delivery states must be polled, because the provider sends no receipts.
    fn needs_polling(&self) -> bool;

    /// Reports whether it is ready for messages.
    fn is_up(&self) -> bool;

    /// Ends its connections and tasks.
    fn close(&self) -> BoxFuture<'_, ()>;
}
