//! The published APIs: path, first member of the answers, accepted keys, endpoints.

use std::sync::LazyLock;

use super::route::Route;
use super::{client, esim, reseller, sms};
use crate::store::accounts::Kind;

/// An API behind an `index.php`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// `/client-api/`.
    Client,
    /// `/reseller-api/`, the white-label portal's endpoints among it.
    Reseller,
    /// `/sms-api/`.
    Sms,
    /// `/esim-api/`.
    Esim,
}

impl Surface {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Client, Self::Reseller, Self::Sms, Self::Esim];

    /// First segment of its paths.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Client => "client-api",
            Self::Reseller => "reseller-api",
            Self::Sms => "sms-api",
            Self::Esim => "esim-api",
        }
    }

    /// Its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Client => "Client API",
            Self::Reseller => "Reseller API",
            Self::Sms => "SMS API",
            Self::Esim => "eSIM API",
        }
    }

    /// First member of each answer.
    pub const fn flag(self) -> &'static str {
        match self {
            Self::Client | Self::Sms | Self::Esim => "success",
            Self::Reseller => "ok",
        }
    }

    /// True for the kinds of account whose keys it accepts.
    pub const fn admits(self, kind: Kind) -> bool {
        match self {
            Self::Client => matches!(kind, Kind::Client | Kind::Subaccount),
            Self::Reseller => matches!(kind, Kind::Reseller),
            Self::Sms | Self::Esim => true,
        }
    }

    /// Its endpoints.
    pub fn routes(self) -> &'static [Route] {
        static CLIENT: LazyLock<Vec<Route>> = LazyLock::new(client::routes);
        static RESELLER: LazyLock<Vec<Route>> = LazyLock::new(reseller::routes);
        static SMS: LazyLock<Vec<Route>> = LazyLock::new(sms::routes);
        static ESIM: LazyLock<Vec<Route>> = LazyLock::new(esim::routes);
        match self {
            Self::Client => &CLIENT,
            Self::Reseller => &RESELLER,
            Self::Sms => &SMS,
            Self::Esim => &ESIM,
        }
    }

    /// The endpoint of a name.
    pub fn route(self, name: &str) -> Option<&'static Route> {
        self.routes().iter().find(|route| route.name == name)
    }
}
