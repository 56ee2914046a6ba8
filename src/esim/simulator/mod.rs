//! A simulator of the eSIM Access API: an HTTP server that answers as the upstream is documented to, and that can be
//! told to fail as upstreams do. It sells nothing and its activation codes install nothing; the demo and the tests use it.
//!
//! Its orders are its record, the judge of what was bought: in memory, and with a file in a file of one JSON line each,
//! which it reads again when it starts.
//!
//! Beside the upstream's own paths it has its own, for whoever runs it:
//!
//! | path | body | |
//! |---|---|---|
//! | `GET /simulator/orders` | | every order |
//! | `POST /simulator/fault` | `{"on":"esim/order","fault":"busy","times":3}` | the next so many requests fail so |
//! | `POST /simulator/set` | `{"balance":0,"allocate_ms":0,"price":{"code":…,"price":…},"gone":"CODE"}`, each optional | |
//! | `POST /simulator/esim` | `{"order_no":…,"state":"IN_USE","used":1048576}` | what a phone did |

mod catalogue;
mod orders;
mod server;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::catalogue::DOCUMENTED;
pub use self::orders::Ordered;
use self::server::State;
use crate::listen::{self, Caps, Listener, Patience};

/// How a simulator begins.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where its orders are kept; in memory alone when not said.
    pub record: Option<PathBuf>,
    /// How long an order takes to be allocated.
    pub allocate_ms: u64,
    /// What the buyer has there, in 1/10,000 dollars.
    pub balance_e4: i64,
    /// The access code that it takes; any where none.
    pub access_code: Option<String>,
    /// What time it is there when it starts; the machine's where not said.
    pub starts_at: Option<Timestamp>,
    /// The secret that requests must be signed with; unsigned ones are taken where there is none.
    pub secret: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            record: None,
            allocate_ms: 2_000,
            balance_e4: 1_000_000_000,
            access_code: None,
            starts_at: None,
            secret: None,
        }
    }
}

/// Connections that a simulator keeps at once.
pub const MAX_CONNECTIONS: usize = 64;

fn settings_of_listener() -> listen::Settings {
    let caps = Caps { connections: MAX_CONNECTIONS, per_address: MAX_CONNECTIONS };
    // As upstreams do it keeps idle connections for a while: what buys there keeps them for its next request.
    let patience = Patience { head: Duration::from_mins(2), ..Patience::default() };
    let name = "esim-simulator";
    listen::Settings { name, caps, allow: None, proxies: Vec::new(), patience }
}

/// A running simulator. It ends with the token it was started with.
#[derive(Clone, Debug)]
pub struct Simulator {
    /// Where it listens.
    pub address: SocketAddr,
    state: std::sync::Arc<State>,
}

impl Simulator {
    /// Starts one that listens there; port 0 is any free one. It runs until `stop`.
    pub async fn start(
        listen: SocketAddr,
        settings: Settings,
        stop: CancellationToken,
    ) -> std::io::Result<Self> {
        let state = std::sync::Arc::new(State::new(settings)?);
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let router = server::router(std::sync::Arc::clone(&state));
        tokio::spawn(async move {
            Listener::new(listener, settings_of_listener()).serve(None, router, stop).await;
        });
        Ok(Self { address, state })
    }

    /// Its address as `esim.url` has it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every order, in the order they came.
    pub fn orders(&self) -> Vec<Ordered> {
        self.state.orders()
    }
}
