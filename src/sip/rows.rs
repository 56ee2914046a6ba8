//! Asterisk's rows of a peer: its four families, and values that no row may contain.
//!
//! A SIP account and a web phone are identified by their name and always authenticated by a password. An `_ipaN` is
//! identified only by the source address of the request: with Asterisk's default a stranger who writes its name into
//! the From header would call at its expense. [`Row::is_safe`] checks every endpoint before it is sent.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::digest::Ha1;
use crate::store::peers::PeerKind;

/// Number of active IP peers above which Asterisk slows down noticeably: it compares every request that no name matches
/// with each of them, at a cost that grows with the square of their number.
pub const MANY_ADDRESSES: usize = 1_000;

/// Warning for the operator of a PBX on an authorised address: names are matched before addresses.
pub const CHALLENGED_PBX: &str = "A PBX on an authorised address that writes the name of a SIP account into its From \
     is asked for that account's password: its From must be a number or name that is no SIP account's";

/// Options of an endpoint other than those that identify it. All others have Asterisk's default.
const ENDPOINT: [(&str, &str); 20] = [
    ("context", "tollgate"),
    ("disallow", "all"),
    ("allow", "alaw,ulaw,g722"),
    // Media passes through Asterisk: a vanished end is noticed, and neither side learns the other's address.
    ("direct_media", "no"),
    ("rtp_symmetric", "yes"),
    ("force_rport", "yes"),
    ("rewrite_contact", "yes"),
    // End a call whose media stopped, or whose BYE was lost: it would otherwise be charged indefinitely.
    ("rtp_timeout", "60"),
    ("rtp_timeout_hold", "300"),
    ("timers", "yes"),
    ("timers_sess_expires", "900"),
    // REFER would create an unauthorised call; NOTIFY and MESSAGE have no use.
    ("allow_transfer", "no"),
    ("allow_subscribe", "no"),
    // Tollgate identifies the caller, not a From or P-Asserted-Identity header.
    ("trust_id_inbound", "no"),
    ("trust_id_outbound", "no"),
    ("allow_overlap", "no"),
    ("redirect_method", "user"),
    ("one_touch_recording", "no"),
    ("max_audio_streams", "1"),
    ("max_video_streams", "0"),
];

/// A family that Asterisk reads, as `extconfig.conf` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `ps_endpoints`.
    Endpoints,
    /// `ps_auths`.
    Auths,
    /// `ps_aors`.
    Aors,
    /// `ps_endpoint_id_ips`.
    Identifies,
}

impl Family {
    /// Returns the family of a name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "ps_endpoints" => Some(Self::Endpoints),
            "ps_auths" => Some(Self::Auths),
            "ps_aors" => Some(Self::Aors),
            "ps_endpoint_id_ips" => Some(Self::Identifies),
            _ => None,
        }
    }
}

/// A row: columns with their values, in the order in which they are sent. The order matters to `disallow` and `allow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(Vec<(String, String)>);

impl Row {
    fn of(name: &str, columns: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let id = ("id".to_owned(), name.to_owned());
        Self(
            std::iter::once(id)
                .chain(columns.into_iter().map(|(key, value)| (key.to_owned(), value)))
                .collect(),
        )
    }

    /// Returns the columns.
    pub fn columns(&self) -> &[(String, String)] {
        &self.0
    }

    /// Returns a column's value.
    pub fn get(&self, column: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == column).map(|(_, value)| value.as_str())
    }

    fn set(&mut self, column: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == column) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((column.to_owned(), value.to_owned())),
        }
    }

    /// Encodes the row for the wire: `column=value&…`, urlencoded.
    pub fn encode(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }

    /// Reports whether an endpoint is identified only in the way of its kind, and leads to Tollgate's dialplan.
    pub fn is_safe(&self, kind: PeerKind) -> bool {
        let name = self.get("id").unwrap_or_default();
        let once =
            |column: &str| self.0.iter().filter(|(known, _)| known.eq_ignore_ascii_case(column)).count() == 1;
        let known = match kind {
            PeerKind::Sip | PeerKind::Web => {
                self.get("identify_by") == Some("username") && self.get("auth") == Some(name) && once("auth")
            }
            PeerKind::Ipa => {
                self.get("identify_by") == Some("ip") && !self.0.iter().any(|(key, _)| key == "auth")
            }
        };
        known
            && !name.is_empty()
            && once("identify_by")
            && once("context")
            && self.get("context") == Some("tollgate")
            && self.get("allow_transfer") == Some("no")
    }
}

/// Builds the endpoint of a peer; `None` if the configuration would make it unsafe.
pub fn endpoint(name: &str, kind: PeerKind, extra: &BTreeMap<String, String>) -> Option<Row> {
    let known: &[(&str, &str)] = match kind {
        PeerKind::Sip | PeerKind::Web => &[("identify_by", "username"), ("auth", name), ("aors", name)],
        PeerKind::Ipa => &[("identify_by", "ip")],
    };
    let mut row = Row::of(name, []);
    for (column, value) in known.iter().chain(&ENDPOINT) {
        row.set(column, value);
    }
    for (column, value) in extra {
        row.set(column, value);
    }
    let safe = row.is_safe(kind);
    if !safe {
        tracing::error!(peer.name = %name, "peers.endpoint makes this endpoint unsafe: Asterisk is not told of it");
    }
    safe.then_some(row)
}

/// Builds the auth of a peer that has a password.
pub fn auth(name: &str, digest: Option<Ha1>, realm: &str) -> Option<Row> {
    let digest = digest?;
    Some(Row::of(
        name,
        [
            ("auth_type", "digest".to_owned()),
            ("username", name.to_owned()),
            ("realm", realm.to_owned()),
            ("password_digest", digest.password_digest()),
        ],
    ))
}

/// Builds the aor of a peer that registers.
pub fn aor(name: &str, kind: PeerKind) -> Option<Row> {
    kind.has_password().then(|| {
        Row::of(
            name,
            [
                ("max_contacts", "5"),
                ("remove_existing", "yes"),
                ("minimum_expiration", "60"),
                ("maximum_expiration", "3600"),
                ("default_expiration", "600"),
            ]
            .map(|(key, value)| (key, value.to_owned())),
        )
    })
}

/// Builds the identify of an `_ipaN`: one address.
pub fn identify(name: &str, source: Ipv4Addr) -> Row {
    Row::of(name, [("endpoint", name.to_owned()), ("match", format!("{source}/32"))])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the options of a template of the shipped `pjsip.conf`.
    fn template(name: &str) -> BTreeMap<String, String> {
        let text = include_str!("../../asterisk-conf/pjsip.conf");
        let section = text.split("\n[").find(|section| section.starts_with(name)).unwrap();
        let lines = section.lines().skip(1).filter(|line| !line.starts_with(';') && !line.trim().is_empty());
        let option = |line: &str| {
            let (key, value) = line.split_once('=').unwrap();
            (key.trim().to_owned(), value.trim().to_owned())
        };
        lines.take_while(|line| !line.starts_with('#')).map(option).collect()
    }

    #[test]
    fn asterisk_is_told_what_its_own_templates_say() {
        let mut wanted = template("tg-endpoint]");
        wanted.remove("type");
        wanted.insert("context".to_owned(), template("tg-account]")["context"].clone());
        let told = ENDPOINT.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        assert_eq!(wanted, told);
        assert_eq!(template("tg-account]")["identify_by"], "username");
        assert_eq!(template("tg-ip-peer]")["identify_by"], "ip");
        let aor = template("tg-aor]");
        assert_eq!((aor["max_contacts"].as_str(), aor["maximum_expiration"].as_str()), ("5", "3600"));
    }

    #[test]
    fn a_row_that_breaks_its_kinds_rule_is_not_safe() {
        let sip = |columns: &[(&'static str, &str)]| {
            let all = [("context", "tollgate"), ("allow_transfer", "no")];
            Row::of("1001", all.iter().chain(columns).map(|(key, value)| (*key, (*value).to_owned())))
        };
        let good = [("identify_by", "username"), ("auth", "1001")];
        assert!(sip(&good).is_safe(PeerKind::Sip) && sip(&good).is_safe(PeerKind::Web));
        assert!(!sip(&good).is_safe(PeerKind::Ipa));
        assert!(sip(&[("identify_by", "ip")]).is_safe(PeerKind::Ipa));
        for bad in [
            &[("identify_by", "username")][..],
            &[("identify_by", "username,ip"), ("auth", "1001")],
            &[("identify_by", "username"), ("auth", "1002")],
            &[("identify_by", "username"), ("auth", "1001"), ("AUTH", "1002")],
            &[("identify_by", "username"), ("auth", "1001"), ("allow_transfer", "yes"), ("context", "other")],
        ] {
            assert!(!sip(bad).is_safe(PeerKind::Sip), "{bad:?}");
        }
        for bad in [&[("identify_by", "ip"), ("auth", "1001")][..], &[("identify_by", "ip,username")], &[]] {
            assert!(!sip(bad).is_safe(PeerKind::Ipa), "{bad:?}");
        }
    }
}
