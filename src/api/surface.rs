//! The published APIs: where each is, what it puts before an answer, whose keys open it.

use std::sync::LazyLock;

use super::endpoint::Route;
use super::{client, reseller};
use crate::accounts::Kind;

/// An API behind an `index.php`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// `/client-api/`.
    Client,
    /// `/reseller-api/`, the white-label portal's endpoints among it.
    Reseller,
}

impl Surface {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Client, Self::Reseller];

    /// The first part of its paths.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Client => "client-api",
            Self::Reseller => "reseller-api",
        }
    }

    /// Its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Client => "Client API",
            Self::Reseller => "Reseller API",
        }
    }

    /// The first member of each answer.
    pub const fn flag(self) -> &'static str {
        match self {
            Self::Client => "success",
            Self::Reseller => "ok",
        }
    }

    /// Whose keys open it.
    pub const fn admits(self, kind: Kind) -> bool {
        match self {
            Self::Client => matches!(kind, Kind::Client | Kind::Subaccount),
            Self::Reseller => matches!(kind, Kind::Reseller),
        }
    }

    /// Its endpoints.
    pub fn routes(self) -> &'static [Route] {
        static CLIENT: LazyLock<Vec<Route>> = LazyLock::new(client::routes);
        static RESELLER: LazyLock<Vec<Route>> = LazyLock::new(reseller::routes);
        match self {
            Self::Client => &CLIENT,
            Self::Reseller => &RESELLER,
        }
    }

    /// The endpoint of a name.
    pub fn route(self, name: &str) -> Option<&'static Route> {
        self.routes().iter().find(|route| route.name == name)
    }
}
