//! A simulator of the eSIM Access API: an HTTP server that answers as the API is documented, and that can be made to fail as
//! upstreams do. It sells nothing and its activation codes install nothing; the demo and the tests use it.
//!
//! Its orders are its record, the judge of what was bought: in memory, and with a file in a file of one JSON line each,
//! which it reads again when it starts.
//!
//! Beside the paths of the API it has its own, to control it:
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
mod settings;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::catalogue::DOCUMENTED;
pub use self::orders::Ordered;
use self::server::State;
pub use self::settings::Settings;
use crate::listen::{self, Caps, Listener, Patience};

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
