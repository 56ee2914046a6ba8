//! Prices of eSIM packages, set by the operator's commands.

use std::net::SocketAddr;

use serde_json::json;

use crate::app::esim::{CLIENT_PRICE, PACKAGE, RESELLER_PRICE, SimulatorProcess, tell};
use crate::app::http::Script;
use crate::app::program::{Program, Serving};

struct House {
    program: Program,
    serving: Serving,
    simulator: SimulatorProcess,
    alice: Script,
}

impl House {
    fn start() -> Self {
        let program = Program::sqlite();
        program.furnish();
        let record = program.database.files.path().join("upstream.jsonl");
        let simulator = SimulatorProcess::start(&record, 0);
        let mut text = std::fs::read_to_string(&program.config).unwrap();
        text.push_str(&format!(
            "\n[esim]\nkind = \"esimaccess\"\nurl = \"{}\"\naccess_code = \"x\"\n",
            simulator.url
        ));
        std::fs::write(&program.config, text).unwrap();
        let key = program.ok(&["key", "create", "alice"])["key"].as_str().map(str::to_owned);
        let serving = program.serve();
        let alice = Script { at: serving.http, key };
        Self { program, serving, simulator, alice }
    }

    fn upstream(&self) -> SocketAddr {
        self.simulator.at
    }

    async fn price(&self) -> Option<String> {
        let q = format!("packages&q={PACKAGE}");
        let answer = self.alice.read("esim-api", &q).await.ok();
        answer["packages"][0]["price"].as_str().map(str::to_owned)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operator_prices_below_cost_need_confirmation() {
    let house = House::start();
    let program = &house.program;
    // Without an exchange rate nothing is sold, and who looks is told why.
    let synced = program.ok(&["esim", "sync"]);
    assert!(synced["listed"].as_u64().unwrap() > 2_700, "{synced}");
    assert_eq!(synced["without_rate"], synced["listed"]);
    assert_eq!(house.price().await, None);
    let body = json!({ "package_code": PACKAGE });
    assert_eq!(house.alice.write("esim-api", "buy", &body).await.refused(422), "unavailable");
    let listed = program.ok(&["esim", "packages", PACKAGE]);
    assert!(listed["packages"][0]["unsold"].as_str().unwrap().contains("exchange rate"), "{listed}");
    program.ok_line("fx set USD EUR 0.9215");
    assert_eq!(house.price().await.as_deref(), Some(CLIENT_PRICE));
    let listed = program.ok(&["esim", "packages", PACKAGE]);
    let row = &listed["packages"][0];
    assert_eq!(
        (&row["cost"], &row["reseller"], &row["client"]),
        (&json!("0.57133"), &json!(RESELLER_PRICE), &json!(CLIENT_PRICE))
    );

    // Fixed prices hold; below the cost only if it is said.
    program.ok_line(&format!("esim price {PACKAGE} --client 0.99 --reseller 0.70"));
    assert_eq!(house.price().await.as_deref(), Some("0.9900"));
    assert_eq!(program.refused(&["esim", "price", PACKAGE, "--reseller", "0.50"]), "below_cost");
    assert_eq!(program.refused(&["esim", "price", PACKAGE, "--client", "0.60"]), "below_cost");
    assert_eq!(program.refused(&["esim", "price", "NOSUCH", "--client", "1"]), "not_found");
    program.ok_line(&format!("esim price {PACKAGE} --client 0.10 --reseller 0.10 --allow-loss"));
    assert_eq!(house.price().await.as_deref(), Some("0.1000"));
    program.ok_line(&format!("esim price {PACKAGE} --client 0.80 --reseller 0.70"));

    // A cost that rises above a fixed price stops its sale.
    tell(house.upstream(), "set", &json!({ "price": { "code": PACKAGE, "price": 9_000 } })).await;
    program.ok(&["esim", "sync"]);
    assert_eq!(house.price().await, None);
    assert_eq!(house.alice.write("esim-api", "buy", &body).await.refused(422), "unavailable");
    program.ok(&["esim", "price", PACKAGE, "--remove"]);
    assert_eq!(program.refused(&["esim", "price", PACKAGE, "--remove"]), "not_found");
    assert!(house.price().await.is_some());

    // What the upstream has no more is not sold and not forgotten.
    let order = house.alice.write("esim-api", "buy", &body).await.ok()["order"].clone();
    tell(house.upstream(), "set", &json!({ "gone": PACKAGE })).await;
    assert_eq!(program.ok(&["esim", "sync"])["gone"], 1);
    assert_eq!(house.price().await, None);
    house.alice.write("esim-api", "buy", &body).await.refused(404);
    let orders = house.alice.read("esim-api", "orders").await.ok();
    assert_eq!(orders["orders"][0]["order_id"], order["order_id"]);
    assert_eq!(program.ok(&["esim", "orders"])["orders"][0]["order_id"], order["order_id"]);
    assert_eq!(program.ok(&["esim", "orders", "--stuck"])["orders"], json!([]));
    assert!(program.ok(&["esim", "balance"])["balance"].is_string());
    assert!(house.serving.stop().success());
    program.assert_audit();
}
