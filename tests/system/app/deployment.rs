//! A served deployment whose people have the logins that the published documents use.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::database::Database;
use super::decks::{self, BERLIN, FRANCE};
use super::documents::{Documented, Names, OnTheWire};
use super::http::{Answered, Script};
use super::phone::{Dial, End};
use super::program::{Program, Serving, now};

/// The reseller of the documents.
pub(crate) const RESELLER: &str = "1234567890";
/// The client of the client API's document, a client of [`RESELLER`].
pub(crate) const CLIENT: &str = "1234567801";
/// The client that the reseller API's document looks at, a client of [`RESELLER`] too.
pub(crate) const LOOKED_AT: &str = "1234567892";
/// What Janus' tokens are signed with.
pub(crate) const JANUS_SECRET: &str = "canary-janus-token-secret";

/// Token that metrics are read with.
pub(crate) const METRICS_TOKEN: &str = "canary-metrics-token-of-this-deployment";

/// What the gateway for messages is asked with.
pub(crate) const GATEWAY_KEY: &str = "canary-key-of-the-message-gateway";
/// Where the upstream of eSIMs tells of changes.
pub(crate) const WEBHOOK_TOKEN: &str = "canary-esim-webhook-token";

/// Everybody who may ask, by name: those with a good key, those with a bad one, those with none.
pub(crate) const ROLES: [&str; 8] = [
    "no_key",
    "bad_key",
    "revoked_key",
    "client",
    "other_client",
    "reseller",
    "other_reseller",
    "subaccount",
];

/// A served program with the documents' reseller and clients, another reseller with a client, and a key for each role.
pub(crate) struct Deployment {
    pub(crate) program: Program,
    pub(crate) serving: Serving,
    /// Ids and codes that requests name.
    pub(crate) names: Names,
    keys: BTreeMap<&'static str, Option<String>>,
}

impl Deployment {
    /// On an embedded database, with this in the server's environment.
    pub(crate) async fn start(environment: &[(&str, &str)]) -> Self {
        Self::on(Database::sqlite(), environment).await
    }

    /// As [`Deployment::start`], on this database.
    pub(crate) async fn on(database: Database, environment: &[(&str, &str)]) -> Self {
        let program = Program::on(database);
        configure(&program);
        let mut names = furnish(&program);
        let mut keys: BTreeMap<&'static str, Option<String>> = BTreeMap::from([
            ("no_key", None),
            ("bad_key", Some("NoSuchKeyNoSuchKeyNoSuchKeyNoSuc".to_owned())),
            ("reseller", Some(new_key(&program, RESELLER))),
            ("other_client", Some(new_key(&program, "bob"))),
            ("other_reseller", Some(new_key(&program, "rival"))),
        ]);
        let revoked = program.ok(&["key", "create", LOOKED_AT]);
        program.ok(&["key", "revoke", &revoked["id"].to_string()]);
        keys.insert("revoked_key", revoked["key"].as_str().map(str::to_owned));
        // Tests ask more than people do.
        let mut all = vec![
            ("TOLLGATE_HTTP__KEY_REQUESTS_PER_MINUTE", "10000000"),
            ("TOLLGATE_HTTP__ADDRESS_REQUESTS_PER_MINUTE", "10000000"),
            ("TOLLGATE_LIMITS__CHANGES_PER_MINUTE", "1000000"),
        ];
        all.extend_from_slice(environment);
        let serving = program.serve_with(&all);
        names.insert("at".to_owned(), format!("http://{}", serving.http));
        let mut made = Self { program, serving, names, keys };
        made.program.ok(&["esim", "sync"]);
        made.people().await;
        made.calls().await;
        made
    }

    /// Whom only a serving deployment makes: the client with the password of the document, its subaccount.
    async fn people(&mut self) {
        let plan: i64 = self.names["offered_plan"].parse().unwrap();
        let client = json!({"login": CLIENT, "password": "OldPassword", "plan_id": plan});
        self.script("reseller").write("reseller-api", "create-client", &client).await.ok();
        self.program.ok(&["credit", CLIENT, "1000", "--reference", "first"]);
        self.keys.insert("client", Some(new_key(&self.program, CLIENT)));
        let client = self.script("client");
        let body = json!({"name": "Jane Doe", "email": "jane@example.com"});
        let made = client.post("/api/subaccounts?action=create", &body).await.ok();
        let id = made["subaccount"]["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        self.keys.insert("subaccount", Some(new_key(&self.program, &id)));
        client.write("client-api", "add-callerid", &json!({"cid": "+4930123456", "name": "Own"})).await.ok();
        self.names.insert("own_callerid".to_owned(), "+4930123456".to_owned());
    }

    /// An answered call, one that was busy and one that was refused, of each client that is looked at.
    async fn calls(&self) {
        let at = self.serving.fastagi;
        for login in [CLIENT, LOOKED_AT] {
            for end in [End::answered(3_000), End::busy()] {
                let granted = Dial::new(login, BERLIN).ask(at).await.allowed();
                assert!(end.tell(at, &granted, now().as_microsecond()).await, "a call of {login} is settled");
            }
            assert_eq!(Dial::new(login, FRANCE).ask(at).await.reason(), "no_route");
        }
    }

    pub(crate) fn at(&self) -> SocketAddr {
        self.serving.http
    }

    /// A key, where the role has one.
    pub(crate) fn key(&self, role: &str) -> Option<&str> {
        self.keys[role].as_deref()
    }

    /// Somebody of this role.
    pub(crate) fn script(&self, role: &str) -> Script {
        Script { at: self.at(), key: self.keys[role].clone() }
    }

    /// Makes a request as it goes over the wire.
    pub(crate) async fn send(&self, role: &str, request: &OnTheWire) -> Answered {
        let headers: Vec<(&str, &str)> =
            request.content_type.iter().map(|content_type| ("Content-Type", *content_type)).collect();
        self.script(role).ask(request.method.clone(), &request.path, &headers, request.body.clone()).await
    }

    /// Notes what later requests name.
    pub(crate) fn remember(&mut self, entry: &Documented, answer: &Value) {
        entry.remember(answer, &mut self.names);
    }

    /// The role whose API it is.
    pub(crate) fn owner(api: &str) -> &'static str {
        if api == "reseller-api" { "reseller" } else { "client" }
    }

    /// Waits until no message is being sent: what was asked for is done, and its money has moved.
    pub(crate) async fn until_sent(&self, role: &str, parameters: &str) {
        for _ in 0..600 {
            let campaigns =
                self.script(role).read("sms-api", &format!("campaigns&limit=200{parameters}")).await.ok();
            let is_under_way = |row: &Value| {
                row["scheduled_at"].is_null() && (row["status"] == "QUEUED" || row["status"] == "RUNNING")
            };
            if !campaigns["campaigns"].as_array().unwrap().iter().any(is_under_way) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("messages to many were not sent within 30 s");
    }
}

fn new_key(program: &Program, login: &str) -> String {
    program.ok(&["key", "create", login])["key"].as_str().unwrap().to_owned()
}

fn configure(program: &Program) {
    let text = std::fs::read_to_string(&program.config).unwrap();
    let mut text =
        text.replace("[internal]\n", &format!("[internal]\nmetrics_token = \"{METRICS_TOKEN}\"\n"));
    text.push_str(&format!(
        "\n[webphone]\njanus_url = \"wss://janus.example/ws\"\njanus_secret = \"{JANUS_SECRET}\"\n\
         sip_proxy = \"sip:192.0.2.1:5060\"\nice_servers = [\"stun:stun.example:3478\"]\n\n\
         [esim]\nkind = \"simulator\"\nwebhook_token = \"{WEBHOOK_TOKEN}\"\n"
    ));
    // The documents' provider, and one that is never reached: it is asked for by name.
    text.push_str(&format!(
        "\n[[sms.provider]]\nname = \"cryptosms\"\ntitle = \"CryptoSMS\"\nkind = \"simulator\"\n\
         rate_per_second = 1000\nlatency_ms = 100\n\n[[sms.provider]]\nname = \"gateway\"\nkind = \"http\"\n\
         url = \"http://127.0.0.1:9/api\"\napi_key = \"{GATEWAY_KEY}\"\n"
    ));
    std::fs::write(&program.config, text).unwrap();
}

/// Everything that commands make.
fn furnish(program: &Program) -> Names {
    let deck = program.file("sold.csv", decks::SOLD);
    program.ok(&["tariff", "import", "sold", &deck]);
    let deck = program.file("carrier.csv", decks::CARRIER_A);
    program.ok(&["tariff", "import", "carrier-a", &deck]);
    let deck = program.file("messages.csv", decks::MESSAGES);
    program.ok(&["tariff", "import", "messages", &deck, "--sms"]);
    program.ok_line("plan create wholesale --tariff sold --sms-tariff messages --tariff-limit 10");
    program.ok_line("trunk create first --endpoint first-endpoint --tariff carrier-a");
    for (reseller, plan, clients) in
        [(RESELLER, "standard", &[LOOKED_AT, "6307210"][..]), ("rival", "rivals", &["bob"])]
    {
        program.ok_line(&format!("reseller create {reseller} --plan wholesale"));
        program.ok_line(&format!(
            "plan create {plan} --base wholesale --markup 20 --signup --tariff-limit 3 --owner {reseller}"
        ));
        for client in clients {
            program.ok_line(&format!("client create {client} --reseller {reseller} --plan {plan}"));
            program.ok_line(&format!("credit {client} 1000 --reference first"));
        }
        program.ok_line(&format!("credit {reseller} 1000 --reference first"));
    }
    program.ok_line("fx set USD EUR 0.9215");
    let plans = program.ok(&["plan", "list"]);
    let offered = plans["plans"].as_array().unwrap().iter().find(|plan| plan["name"] == "standard").unwrap();
    let voucher = program.ok_line(&format!("voucher create --amount 5 --count 1 --issuer {RESELLER}"));
    let code = voucher["vouchers"][0]["code"].as_str().unwrap().to_owned();
    // In the zone of `sms.time_zone`, UTC where nothing is set.
    let tomorrow = now().to_zoned(jiff::tz::TimeZone::UTC).date().tomorrow().unwrap().to_string();
    Names::from([
        ("offered_plan".to_owned(), offered["id"].to_string()),
        ("voucher".to_owned(), code),
        ("tomorrow".to_owned(), tomorrow),
    ])
}
