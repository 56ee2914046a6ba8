//! Errors of operations on peers.

use crate::secrets::SecretsError;
use crate::sip::address::AddressError;
use crate::sip::digest::PasswordError;
use crate::store::StoreError;

/// Maximum IP peers of a SIP account: the offices of a large customer.
pub const MAX_ADDRESSES: usize = 20;
/// Reason why an operation on a peer was refused.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// No account has this login.
    #[error("there is no account {0}")]
    UnknownAccount(String),
    /// A reseller has no phones.
    #[error("{0} is a reseller: it has no SIP accounts")]
    NoPhones(String),
    /// The account has no SIP account of this name.
    #[error("there is no SIP account {0}")]
    UnknownSipAccount(String),
    /// The SIP account has no such IP peer.
    #[error("{sip_account} has no IP peer {which}")]
    UnknownAddress {
        /// The SIP account.
        sip_account: String,
        /// The id, name or address in the request.
        which: String,
    },
    /// The client has the maximum number of SIP accounts.
    #[error("{login} has {limit} SIP accounts already")]
    TooMany {
        /// The client.
        login: String,
        /// Maximum number of SIP accounts.
        limit: i64,
    },
    /// The SIP account has the maximum number of IP peers.
    #[error("{0} has {MAX_ADDRESSES} IP peers already")]
    TooManyAddresses(String),
    /// A client, a reseller or the deployment has the maximum number of IP peers.
    #[error("{whose} {limit} IP peers already")]
    AddressLimit {
        /// Beginning of the error's sentence: the subject and its verb.
        whose: &'static str,
        /// Maximum number of IP peers.
        limit: u32,
    },
    /// The IP peer is approved already.
    #[error("{0} is approved already")]
    Approved(String),
    /// No free name was found for a further SIP account.
    #[error("no free name was found for {0}")]
    NoFreeName(String),
    /// The main SIP account cannot be deleted separately from its account.
    #[error("{0} is the main SIP account: it cannot be deleted")]
    Main(String),
    /// The password is refused.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The address is refused.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The address belongs to a server or a carrier.
    #[error("{ip} is the address of {whose}")]
    OwnAddress {
        /// The address.
        ip: std::net::Ipv4Addr,
        /// Name of its owner.
        whose: String,
    },
    /// Another active IP peer has the address. Its owner is not disclosed.
    #[error("{0} is in use by an active IP peer")]
    AddressTaken(std::net::Ipv4Addr),
    /// The stored password cannot be read.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The store failed.
    #[error("the database failed: {0}")]
    Store(#[from] StoreError),
}

impl PeerError {
    /// Reports whether the address is in use or reserved.
    pub const fn is_in_use(&self) -> bool {
        matches!(self, Self::OwnAddress { .. } | Self::AddressTaken(_))
    }

    /// Returns the machine code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownAccount(_) => "unknown_account",
            Self::NoPhones(_) => "no_phones",
            Self::UnknownSipAccount(_) => "unknown_sip_account",
            Self::UnknownAddress { .. } => "unknown_ip_peer",
            Self::TooMany { .. } | Self::TooManyAddresses(_) | Self::AddressLimit { .. } => "too_many",
            Self::Approved(_) => "approved",
            Self::NoFreeName(_) => "no_free_name",
            Self::Main(_) => "main_sip_account",
            Self::Password(_) => "bad_password",
            Self::Address(_) | Self::OwnAddress { .. } => "bad_ip",
            Self::AddressTaken(_) => "ip_taken",
            Self::Secrets(_) => "key_file",
            Self::Store(_) => "unavailable",
        }
    }
}
