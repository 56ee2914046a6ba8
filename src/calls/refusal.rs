//! Reasons to refuse a call, as a machine code and as a Q.850 cause.

/// The reasons of `TG_REASON`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No SIP account has the endpoint's name.
    UnknownPeer,
    /// The SIP account, its account or an account above it is disabled.
    Inactive,
    /// The request came from an address that is not the peer's.
    BadSource,
    /// The digits are not a number.
    BadNumber,
    /// A payer's tariff has no rate for the number.
    NoRate,
    /// The rate or a prefix list blocks the number, or its price is above the account's ceiling.
    Blocked,
    /// No carrier serves the number without a loss.
    NoRoute,
    /// The client cannot pay the first block.
    NoCredit,
    /// A reseller cannot pay the first block.
    NoWholesaleCredit,
    /// The maximum number of open calls is reached.
    CallLimit,
    /// The maximum number of new calls in this second is reached.
    CpsLimit,
    /// The maximum spending of this day is reached.
    DailyLimit,
    /// Tollgate cannot decide now.
    Unavailable,
}

impl Reason {
    /// Returns the machine code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownPeer => "unknown_peer",
            Self::Inactive => "inactive",
            Self::BadSource => "bad_source",
            Self::BadNumber => "bad_number",
            Self::NoRate => "no_rate",
            Self::Blocked => "blocked",
            Self::NoRoute => "no_route",
            Self::NoCredit => "no_credit",
            Self::NoWholesaleCredit => "no_wholesale_credit",
            Self::CallLimit => "call_limit",
            Self::CpsLimit => "cps_limit",
            Self::DailyLimit => "daily_limit",
            Self::Unavailable => "unavailable",
        }
    }

    /// Returns the Q.850 cause that the dialplan hangs up with; Asterisk derives the SIP code from it.
    ///
    /// 21 (call rejected) is 403, 28 (invalid number format) is 484, 3 (no route to destination) is 404, 34 (no circuit
    /// available) is 503. PBXs handle each of them as the operator needs: causes that the client must correct are
    /// final; causes on the operator's side, or temporary ones, let the PBX try elsewhere.
    pub const fn cause(self) -> u16 {
        match self {
            Self::UnknownPeer
            | Self::Inactive
            | Self::BadSource
            | Self::Blocked
            | Self::NoCredit
            | Self::DailyLimit => 21,
            Self::BadNumber => 28,
            Self::NoRate => 3,
            Self::NoRoute
            | Self::NoWholesaleCredit
            | Self::CallLimit
            | Self::CpsLimit
            | Self::Unavailable => 34,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::REASONS;

    #[test]
    fn every_reason_is_counted() {
        let all = [
            Reason::UnknownPeer,
            Reason::Inactive,
            Reason::BadSource,
            Reason::BadNumber,
            Reason::NoRate,
            Reason::Blocked,
            Reason::NoRoute,
            Reason::NoCredit,
            Reason::NoWholesaleCredit,
            Reason::CallLimit,
            Reason::CpsLimit,
            Reason::DailyLimit,
            Reason::Unavailable,
        ];
        let codes: Vec<&str> = all.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(codes, REASONS);
        assert!(all.iter().all(|reason| [3, 21, 28, 34].contains(&reason.cause())));
    }
}
