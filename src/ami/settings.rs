//! Settings of a server: address, login and time limits.

use std::time::Duration;

use crate::config::{self, Secret};
pub use crate::dial::Tls;

/// Settings of one server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its `systemname`, which the server must report.
    pub server: String,
    /// Host of its manager interface.
    pub host: String,
    /// Port of its manager interface.
    pub port: u16,
    /// Name of the manager user.
    pub username: String,
    /// Secret of the manager user.
    pub secret: Secret,
    /// TLS settings; `None` for plain TCP.
    pub tls: Option<Tls>,
    /// Time limits.
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

/// Time limits and intervals. The defaults apply in production; tests shorten them.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Limit for resolving and connecting, TLS included. A server in the same network answers within milliseconds.
    pub connect: Duration,
    /// Limit for each answer during the login. Asterisk delays a refused login by a second on purpose.
    pub login: Duration,
    /// Limit for a server that is still starting. Its modules load within seconds, its peers within a minute.
    pub boot: Duration,
    /// Limit for one answer. A healthy Asterisk answers within a millisecond.
    pub answer: Duration,
    /// Limit for a whole list: thousands of channels are written in one go, but the network may be slow.
    pub list: Duration,
    /// Silence after which the server is pinged, so that the last proof of life is never much older: a call whose end
    /// is otherwise unknown is charged up to it.
    pub quiet: Duration,
    /// Delay after the first failure; it doubles with each further one.
    pub retry_first: Duration,
    /// Maximum delay: a server that comes back is noticed within it. Peers that changed meanwhile must be right on it
    /// within ten seconds.
    pub retry_longest: Duration,
    /// Delay after a refused login or the wrong server: neither recovers by itself, and a server that bans clients
    /// after frequent failures must not ban this one.
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
