//! Hostile requests: each gets a JSON error, moves no money where it is refused, and causes neither a 5xx nor a panic.

use std::cell::Cell;
use std::sync::Arc;

use hyper::Method;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::app::database::Database;
use crate::app::deployment::{Deployment, LOOKED_AT};
use crate::app::documents::{self, OnTheWire};
use crate::app::http::{Answered, Script};

/// Requests that are made.
const CASES: u32 = 1_000;
/// Values by which other systems have been hurt, as JSON.
const VALUES: [&str; 44] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "1e3",
    "1E400",
    "-1e-400",
    "0.0000000001",
    "1.0000000001",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "9223372036.854775807",
    "9223372036.854775808",
    "99999999999999999999999999999999999999",
    "0.1",
    "-0.01",
    "4294967296",
    "\"\"",
    "\" \"",
    "\"NaN\"",
    "\"Infinity\"",
    "\"-1\"",
    "\"1e3\"",
    "\"1_000\"",
    "\"1,5\"",
    "\" 1\"",
    "\"+1\"",
    "\"0x10\"",
    "\"\\u0000\"",
    "\"a\\u0000b\"",
    "\"\\r\\nX-Injected: 1\"",
    "\"' OR '1'='1\"",
    "\"'; DROP TABLE accounts; --\"",
    "\"../../etc/passwd\"",
    "\"<script>alert(1)</script>\"",
    "\"\\ud83d\\ude00\\u202e\"",
    "\"%00%0a\"",
    "\"１２３\"",
    "[]",
    "{}",
    "[[[[1]]]]",
];
/// Bodies that are no object, or not one alone.
const BODIES: [&str; 14] = [
    "",
    " ",
    "null",
    "[]",
    "7",
    "\"text\"",
    "{",
    "{}{}",
    "{\"login\"",
    "{\"login\":}",
    "\u{feff}{}",
    "{,}",
    "<xml/>",
    "login=1234567892&amount=1",
];

/// What is done to a good request.
#[derive(Clone, Debug)]
enum Harm {
    /// A field has another value.
    Value { field: usize, value: String },
    /// A field that nobody knows.
    Extra { name: String, value: String },
    /// A field is left out.
    Without { field: usize },
    /// A field comes twice.
    Twice { field: usize, value: String },
    /// The text ends early.
    Cut { at: usize },
    /// Something else altogether.
    Body(String),
    /// Nested so deep.
    Deep { levels: usize },
    /// A parameter of the URL has another value.
    Parameter { field: usize, value: String },
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(&VALUES[..]).prop_map(str::to_owned),
        1 => any::<String>().prop_map(|text| Value::from(text).to_string()),
        1 => "-?[0-9]{1,40}(\\.[0-9]{0,30})?([eE]-?[0-9]{1,4})?",
        1 => (1_usize..5_000).prop_map(|length| format!("\"{}\"", "9".repeat(length))),
        1 => "[+0-9a-z_.@-]{1,40}".prop_map(|text| format!("\"{text}\"")),
    ]
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        8 => (any::<usize>(), value()).prop_map(|(field, value)| Harm::Value { field, value }),
        1 => ("[a-z_\\PC]{0,80}", value()).prop_map(|(name, value)| Harm::Extra { name, value }),
        1 => any::<usize>().prop_map(|field| Harm::Without { field }),
        1 => (any::<usize>(), value()).prop_map(|(field, value)| Harm::Twice { field, value }),
        1 => any::<usize>().prop_map(|at| Harm::Cut { at }),
        1 => prop::sample::select(&BODIES[..]).prop_map(|text| Harm::Body(text.to_owned())),
        1 => (1_usize..20_000).prop_map(|levels| Harm::Deep { levels }),
        1 => (any::<usize>(), value()).prop_map(|(field, value)| Harm::Parameter { field, value }),
    ]
}

/// The fields of a body, values as JSON.
fn fields(body: &str) -> Vec<(String, String)> {
    let json: Value = serde_json::from_str(body).unwrap_or_default();
    let members = json.as_object().into_iter().flatten();
    members.map(|(name, value)| (name.clone(), value.to_string())).collect()
}

fn body(fields: &[(String, String)]) -> String {
    let members: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}:{value}", Value::from(name.as_str()))).collect();
    format!("{{{}}}", members.join(","))
}

/// Everything but letters and digits as the URL wants it.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

impl Harm {
    fn done_to(&self, good: &OnTheWire) -> OnTheWire {
        let mut request = good.clone();
        let mut known = fields(&good.body);
        let place = |field: usize| if known.is_empty() { None } else { Some(field % known.len()) };
        match self {
            Self::Value { field, value } => match place(*field) {
                Some(at) => known[at].1.clone_from(value),
                None => known.push(("password".to_owned(), value.clone())),
            },
            Self::Extra { name, value } => known.push((name.clone(), value.clone())),
            Self::Without { field } => {
                if let Some(at) = place(*field) {
                    known.remove(at);
                }
            }
            Self::Twice { field, value } => {
                if let Some(at) = place(*field) {
                    known.push((known[at].0.clone(), value.clone()));
                }
            }
            Self::Cut { at } => {
                let text = &good.body;
                let end = (0..=at % (text.len() + 1)).rev().find(|end| text.is_char_boundary(*end));
                text[..end.unwrap_or(0)].clone_into(&mut request.body);
                return request;
            }
            Self::Body(text) => {
                request.body.clone_from(text);
                return request;
            }
            Self::Deep { levels } => {
                known.push(("deep".to_owned(), format!("{}{}", "[".repeat(*levels), "]".repeat(*levels))));
            }
            Self::Parameter { field, value } => {
                let (path, query) = good.path.split_once('?').unwrap();
                let mut pairs: Vec<String> = query.split('&').map(str::to_owned).collect();
                pairs.push("limit=5".to_owned());
                let at = field % pairs.len();
                let name = pairs[at].split('=').next().unwrap_or_default().to_owned();
                pairs[at] = format!("{name}={}", escaped(value.trim_matches('"')));
                request.path = format!("{path}?{}", pairs.join("&"));
                return request;
            }
        }
        if good.method == Method::POST {
            request.body = body(&known);
        }
        request
    }
}

/// What is wrong with an answer, whatever was asked.
fn fault(api: &str, answered: &Answered) -> Option<String> {
    let json: Value = match serde_json::from_str(&answered.text) {
        Ok(json) => json,
        Err(error) => return Some(format!("no JSON: {error}")),
    };
    let is_text = |name: &str| json[name].as_str().is_some_and(|text| !text.is_empty());
    if api == "subaccounts" && answered.status == 200 {
        let said = json.is_array() || json == 900 || json["success"] == true || is_text("error");
        return (!said).then(|| "neither done nor refused".to_owned());
    }
    let flag = if api == "reseller-api" { "ok" } else { "success" };
    match answered.status {
        200 => (json[flag] != true).then(|| format!("{flag} is not true")),
        400..=499 => {
            let said = json[flag] == false && is_text("error") && is_text("code") && is_text("request_id");
            (!said).then(|| "it does not say what is wrong".to_owned())
        }
        other => Some(format!("status {other}")),
    }
}

fn is_refused(answered: &Answered) -> bool {
    answered.status != 200
        || serde_json::from_str::<Value>(&answered.text).is_ok_and(|json| json["success"] == false)
}

/// Every balance that a request could move.
async fn balances(purses: &[(&str, Script)]) -> Vec<Value> {
    let mut found = Vec::new();
    for (api, script) in purses {
        let me = script.read(api, "me").await.json();
        found.push(if *api == "client-api" {
            me["data"]["balance"].clone()
        } else {
            me["reseller"]["balance"].clone()
        });
    }
    found
}

#[test]
fn a_thousand_hostile_requests_get_json_errors_and_move_no_money() {
    hostile_requests_on(CASES, async { Database::sqlite() });
}

/// PostgreSQL refuses texts that SQLite takes.
#[test]
fn hostile_requests_get_json_errors_and_move_no_money_on_postgres() {
    hostile_requests_on(CASES / 2, Database::postgres());
}

/// An eSIM is charged when it comes, some seconds after it was bought: that would look like a refused request's doing. So
/// none that exists is bought.
fn nothing_comes_late(entry: &documents::Documented, mut request: OnTheWire) -> OnTheWire {
    if entry.api == "esim-api" {
        request.body = request.body.replace("P2CYMUS93", "P2CYMUS94");
    }
    request
}

fn hostile_requests_on(cases: u32, database: impl Future<Output = Database>) {
    let runtime = Runtime::new().unwrap();
    let database = runtime.block_on(database);
    let deployment = Arc::new(runtime.block_on(Deployment::on(database, &[])));
    let key = deployment.program.ok(&["key", "create", LOOKED_AT])["key"].as_str().map(str::to_owned);
    let purses = [
        ("client-api", deployment.script("client")),
        ("client-api", Script { at: deployment.at(), key }),
        ("client-api", deployment.script("subaccount")),
        ("client-api", deployment.script("other_client")),
        ("reseller-api", deployment.script("reseller")),
        ("reseller-api", deployment.script("other_reseller")),
    ];
    let mut names = deployment.names.clone();
    for entry in documents::all() {
        // Good ids would be used up; these are right in form.
        for (name, _) in &entry.keep {
            names.entry(name.clone()).or_insert_with(|| "1000001".to_owned());
        }
    }
    let all = documents::all();
    let requests: Vec<(&documents::Documented, OnTheWire)> =
        all.iter().map(|entry| (entry, nothing_comes_late(entry, entry.on_the_wire(&names)))).collect();
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let (done, refused) = (Cell::new(0_u32), Cell::new(0_u32));
    let outcome = TestRunner::new(config).run(&(0..requests.len(), harm()), |(at, harm)| {
        let (entry, good) = &requests[at];
        let (api, role) = (entry.api, entry.owner());
        let request = harm.done_to(good);
        runtime.block_on(async {
            let before = balances(&purses).await;
            let answered = deployment.send(role, &request).await;
            if let Some(fault) = fault(api, &answered) {
                return Err(TestCaseError::fail(format!("{fault}: {request:?} is answered {answered:?}")));
            }
            if api == "sms-api" && entry.endpoint == "bulk" && !is_refused(&answered) {
                // Without its time it is being sent, and paid for while the next request is refused.
                let whose =
                    if role == "reseller" { format!("&client_login={LOOKED_AT}") } else { String::new() };
                deployment.until_sent(role, &whose).await;
            }
            let counted = if is_refused(&answered) { &refused } else { &done };
            counted.set(counted.get() + 1);
            if is_refused(&answered) && balances(&purses).await != before {
                return Err(TestCaseError::fail(format!("refused, and money moved: {request:?}")));
            }
            Ok(())
        })
    });
    let log = deployment.serving.log();
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, (at, harm))) => panic!("{reason}\n{:?}\n{harm:?}", requests[at]),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
    let (done, refused) = (done.get(), refused.get());
    assert!(
        done > cases / 20 && refused > cases / 4,
        "{done} were done and {refused} refused: that is no trial"
    );
    let wrong: Vec<&str> =
        log.lines().filter(|line| line.contains("\"ERROR\"") || line.contains("panicked")).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    deployment.program.assert_audit();
}
