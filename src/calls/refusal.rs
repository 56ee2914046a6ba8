//! Why a call is refused, as a machine code and as a Q.850 cause.

/// The reasons of `TG_REASON`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No SIP account has the endpoint's name.
    UnknownPeer,
    /// The SIP account, its account or one above it is switched off.
    Inactive,
    /// The request came from an address that is not the peer's.
    BadSource,
    /// The digits are no number.
    BadNumber,
    /// A payer's tariff has no rate for the number.
    NoRate,
    /// The rate or a prefix list blocks the number, or it is dearer than the account may call.
    Blocked,
    /// No carrier takes the number without a loss.
    NoRoute,
    /// The client cannot pay the first block.
    NoCredit,
    /// A reseller cannot pay the first block.
    NoWholesaleCredit,
    /// As many calls as allowed are open.
    CallLimit,
    /// As many calls as allowed began this second.
    CpsLimit,
    /// As much as allowed was spent today.
    DailyLimit,
    /// Tollgate cannot decide now.
    Unavailable,
}

impl Reason {
    /// The machine code.
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

    /// The Q.850 cause the dialplan hangs up with; Asterisk makes the SIP code of it.
    ///
    /// 21 (call rejected) is 403, 28 (invalid number format) is 484, 3 (no route to destination) is 404,
    /// 34 (no circuit available) is 503: what a PBX does with each is what the operator wants it to do. What is the
    /// client's to mend is final; what is the operator's or passes by itself lets the PBX try elsewhere.
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
