//! An upstream that sells data packages: the simulator, over the wire, in this process or in one of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};
use tollgate::catalog::admin::fx;
use tollgate::clock::Clock as _;
use tollgate::config::{Config, EsimAccess, EsimKind, Secret};
use tollgate::esim::simulator::{Ordered, Settings, Simulator};

use super::http::Script;
use super::program::bare;
use super::{TestApp, noon};

/// The package that the documents buy.
pub(crate) const PACKAGE: &str = "P2CYMUS93";
/// What a client pays for it: 0.62 dollars at 0.9215, 30 % more, rounded up.
pub(crate) const CLIENT_PRICE: &str = "0.7428";
/// What a reseller pays for it: 10 % more.
pub(crate) const RESELLER_PRICE: &str = "0.6285";
/// How long anything may take that the worker does.
const PATIENCE: Duration = Duration::from_mins(1);

/// A simulator in this process.
pub(crate) struct Upstream {
    simulator: Simulator,
    _stop: DropGuard,
}

/// Tells a simulator what to do.
pub(crate) async fn tell(at: SocketAddr, path: &str, body: &Value) {
    let answered = Script { at, key: None }.post(&format!("/simulator/{path}"), body).await;
    assert_eq!(answered.status, 204, "{answered:?}");
}

impl Upstream {
    pub(crate) async fn start(allocate_ms: u64) -> Self {
        let stop = CancellationToken::new();
        let settings = Settings {
            allocate_ms,
            access_code: Some("our-access-code".to_owned()),
            secret: Some("our-secret".to_owned()),
            starts_at: Some(noon()),
            ..Settings::default()
        };
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let simulator = Simulator::start(listen, settings, stop.clone()).await.unwrap();
        Self { simulator, _stop: stop.drop_guard() }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.simulator.address
    }

    /// What was bought.
    pub(crate) fn orders(&self) -> Vec<Ordered> {
        self.simulator.orders()
    }

    /// The next so many requests of a path fail so.
    pub(crate) async fn fail(&self, on: &str, fault: &str, times: usize) {
        tell(self.simulator.address, "fault", &json!({ "on": on, "fault": fault, "times": times })).await;
    }

    pub(crate) async fn set(&self, change: &Value) {
        tell(self.simulator.address, "set", change).await;
    }

    /// A phone has done something with the eSIM of an order.
    pub(crate) async fn live(&self, order: &Ordered, state: &str, used: i64) {
        let body = json!({ "order_no": order.order_no, "state": state, "used": used });
        tell(self.simulator.address, "esim", &body).await;
    }

    /// How often a path was asked.
    pub(crate) async fn asked(&self, path: &str) -> i64 {
        let script = Script { at: self.simulator.address, key: None };
        script.get("/simulator/asked").await.ok()[path].as_i64().unwrap_or(0)
    }

    /// Sells to this configuration.
    pub(crate) fn configure(&self, config: &mut Config) {
        Self::configure_at(config, self.simulator.url());
    }

    /// Sells to this configuration, from an address in front of it.
    pub(crate) fn configure_at(config: &mut Config, url: String) {
        config.esim.kind = EsimKind::Esimaccess(EsimAccess {
            url,
            access_code: Some(Secret::new("our-access-code")),
            secret: Some(Secret::new("our-secret")),
            ..EsimAccess::default()
        });
        config.esim.webhook_token = Some(Secret::new("a-webhook-token-of-ours"));
    }
}

impl TestApp {
    /// The usual house, which sells what this upstream has.
    pub(crate) async fn selling(upstream: &Upstream) -> Self {
        let app = Self::start_with(|config| upstream.configure(config)).await;
        app.sells().await;
        app
    }

    /// The usual house, with what its upstream has.
    pub(crate) async fn sells(&self) {
        self.furnish().await;
        self.dollars("0.9215").await;
        tollgate::esim::sync(&self.esim).await.unwrap();
    }

    /// What a dollar costs from now on.
    pub(crate) async fn dollars(&self, rate: &str) {
        let now = self.clock.now();
        let (usd, eur) = ("USD".parse().unwrap(), "EUR".parse().unwrap());
        fx::set(&self.services.store, usd, eur, rate.parse().unwrap(), now, now).await.unwrap();
    }
}

/// Buys the documents' package.
pub(crate) async fn buy(script: &Script) -> Value {
    script.write("esim-api", "buy", &json!({ "package_code": PACKAGE })).await.ok()["order"].clone()
}

/// An order as its buyer sees it now.
pub(crate) async fn shown(script: &Script, order: &Value) -> Value {
    let orders = script.read("esim-api", "orders&limit=200").await.ok();
    let rows = orders["orders"].as_array().unwrap();
    rows.iter().find(|row| row["order_id"] == order["order_id"]).unwrap().clone()
}

/// Waits until an order has this status.
pub(crate) async fn wait_for(script: &Script, order: &Value, status: &str) -> Value {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let row = shown(script, order).await;
        if row["status"] == status {
            return row;
        }
        assert!(tokio::time::Instant::now() < until, "it does not become {status}: {row}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A simulator in a process of its own, which outlives what is killed. Dropping it kills it.
pub(crate) struct SimulatorProcess {
    child: Child,
    pub(crate) url: String,
    pub(crate) at: SocketAddr,
}

impl SimulatorProcess {
    pub(crate) fn start(record: &Path, allocate_ms: u64) -> Self {
        let mut command: Command = bare();
        command
            .args(["esim-simulator", "--json", "--listen", "127.0.0.1:0", "--allocate-ms"])
            .arg(allocate_ms.to_string())
            .arg("--record")
            .arg(record);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = serde_json::from_str::<Value>(&line).unwrap()["url"].as_str().unwrap().to_owned();
        let at = url.strip_prefix("http://").unwrap().parse().unwrap();
        Self { child, url, at }
    }
}

impl Drop for SimulatorProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
