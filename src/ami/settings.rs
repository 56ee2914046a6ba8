//! Where a server is, who we are there, and how long it is waited for.

use std::time::Duration;

use crate::config::{self, Secret};
pub use crate::dial::Tls;

/// One server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its `systemname`, which it must tell of itself.
    pub server: String,
    /// Where its manager interface listens.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The manager user.
    pub username: String,
    /// That user's secret.
    pub secret: Secret,
    /// TLS, or plain TCP.
    pub tls: Option<Tls>,
    /// How long things may take.
    pub timing: Timing,
}

impl From<&config::Asterisk> for Settings {
    fn from(server: &config::Asterisk) -> Self {
        Self {
            server: server.name.clone(),
            host: server.host.clone(),
            port: server.port,
            username: server.username.clone(),
            secret: server.secret.clone().unwrap_or_default(),
            tls: server.tls.then(|| Tls {
                authorities: server.tls_ca.clone(),
                name: server.tls_name.clone().unwrap_or_else(|| server.host.clone()),
            }),
            timing: Timing::default(),
        }
    }
}

/// How long things may take. The defaults are what a server runs with; tests shorten them.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Finding and connecting to the server, TLS included. A box in the same network answers within milliseconds.
    pub connect: Duration,
    /// Each answer on the way in. Asterisk holds a refused login back for a second on purpose.
    pub login: Duration,
    /// How long a server that is still starting may take. Its modules load within seconds, its peers within a minute.
    pub boot: Duration,
    /// One answer. Asterisk answers within a millisecond unless it is in trouble.
    pub answer: Duration,
    /// A whole list: thousands of channels are written in one go, but the network may be slow.
    pub list: Duration,
    /// After this much silence the server is asked whether it is there, so that the last proof of life is never much
    /// older: what nobody else knows the end of is charged up to it.
    pub quiet: Duration,
    /// The wait after the first failure; it doubles with each further one.
    pub retry_first: Duration,
    /// The longest wait: a server that comes back is noticed within it. Peers that changed meanwhile must be right on it
    /// within ten seconds.
    pub retry_longest: Duration,
    /// The wait after a login that was refused, or a server that is not the one meant: nothing heals by itself, and a
    /// server that bans whoever fails often must not ban us.
    pub retry_refused: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            login: Duration::from_secs(5),
            boot: Duration::from_mins(2),
            answer: Duration::from_secs(3),
            list: Duration::from_secs(10),
            quiet: Duration::from_secs(2),
            retry_first: Duration::from_millis(250),
            retry_longest: Duration::from_secs(5),
            retry_refused: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_not_shown() {
        let server = config::Asterisk {
            name: "pbx1".to_owned(),
            host: "192.0.2.20".to_owned(),
            port: 5038,
            username: "tollgate".to_owned(),
            secret: Some(Secret::new("hunter2")),
            secret_file: None,
            tls: true,
            tls_ca: None,
            tls_name: None,
        };
        let settings = Settings::from(&server);
        assert_eq!(settings.tls.as_ref().unwrap().name, "192.0.2.20");
        let shown = format!("{settings:?}");
        assert!(shown.contains("pbx1") && !shown.contains("hunter2"), "{shown}");
    }
}
