//! The address of the running server's command socket, as the owner row records it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// File that identifies the boot of this machine; another machine and a reboot have other values.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Scheme of every such address.
const SCHEME: &str = "unix";

/// `unix:BOOT:INSTANCE:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandAddress {
    /// The boot id of the machine the server runs on.
    pub boot: String,
    /// Random, new with every start; also stored in the lock file beside the socket.
    pub instance: String,
    /// The absolute path of the socket.
    pub path: PathBuf,
}

impl fmt::Display for CommandAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}:{}:{}:{}", self.boot, self.instance, self.path.display())
    }
}

impl FromStr for CommandAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let mut parts = text.splitn(4, ':');
        let (Some(SCHEME), Some(boot), Some(instance), Some(path)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotAnAddress);
        };
        if instance.is_empty() || !path.starts_with('/') {
            return Err(NotAnAddress);
        }
        Ok(Self { boot: boot.to_owned(), instance: instance.to_owned(), path: PathBuf::from(path) })
    }
}

/// The text is not a command address: a process that only runs a command records none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the address of a command socket")]
pub struct NotAnAddress;

/// Reads the boot id of this machine; empty where the system does not provide it.
pub fn boot_id() -> String {
    std::fs::read_to_string(BOOT_ID).map(|id| id.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_it_was_written() {
        let address = CommandAddress {
            boot: "6d1c".to_owned(),
            instance: "00ff".to_owned(),
            path: PathBuf::from("/run/a:b/tollgate.sock"),
        };
        assert_eq!(address.to_string().parse(), Ok(address));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "127.0.0.1:8081", "unix:a:b:relative", "unix:a::/path", "unix:a:b"] {
            assert_eq!(text.parse::<CommandAddress>(), Err(NotAnAddress), "{text}");
        }
    }
}
