//! A grant as sent to the dialplan.

/// Parameters of an allowed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Cap on the duration, in milliseconds after answer.
    pub limit_ms: u64,
    /// Maximum ringing time of all routes together, in seconds.
    pub ring_seconds: u32,
    /// Funded duration in milliseconds after answer, less the guard.
    pub talk_ms: u64,
    /// Dial strings, in order.
    pub dial_strings: Vec<String>,
    /// Caller number for the carrier; empty to present none.
    pub callerid: String,
    /// The signed reference to the grant.
    pub ticket: String,
    /// The channel's own unique id: the dialplan dials only with this value.
    pub token: String,
}

impl Grant {
    /// Returns the channel variables except the token, which is sent last and separately.
    pub fn variables(&self) -> Vec<(String, String)> {
        let mut variables = vec![
            ("TG_STATUS".to_owned(), "ALLOW".to_owned()),
            ("TG_LIMIT_MS".to_owned(), self.limit_ms.to_string()),
            ("TG_RING_S".to_owned(), self.ring_seconds.to_string()),
            ("TG_TALK_S".to_owned(), format!("{}.{:03}", self.talk_ms / 1_000, self.talk_ms % 1_000)),
            ("TG_ROUTES".to_owned(), self.dial_strings.len().to_string()),
        ];
        for (index, dial) in self.dial_strings.iter().enumerate() {
            variables.push((format!("TG_ROUTE_{}", index + 1), dial.clone()));
        }
        variables.push(("TG_CALLERID".to_owned(), self.callerid.clone()));
        variables.push(("TG_TICKET".to_owned(), self.ticket.clone()));
        variables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_funded_end_is_written_to_the_millisecond() {
        let grant = Grant {
            limit_ms: 14_400_000,
            ring_seconds: 90,
            talk_ms: 4_700,
            dial_strings: vec!["PJSIP/a/sip:4930@h".to_owned(), "PJSIP/4930@b".to_owned()],
            callerid: String::new(),
            ticket: "t".to_owned(),
            token: "17.1".to_owned(),
        };
        let variables = grant.variables();
        assert!(variables.contains(&("TG_TALK_S".to_owned(), "4.700".to_owned())));
        assert!(variables.contains(&("TG_ROUTE_2".to_owned(), "PJSIP/4930@b".to_owned())));
        assert!(variables.iter().all(|(name, _)| name != "TG_TOKEN"));
    }
}
