//! Calls and refills of an account, in its own API and in its reseller's portal.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::api::client::phones::{keys, set};
use crate::app::TestApp;
use crate::app::database::on_both;
use crate::app::decks::{BERLIN, NOWHERE};
use crate::app::phone::End;

/// All that a portal's answers may hold: nothing of the reseller's side of a call.
const PORTAL_CALL: [&str; 12] = [
    "id",
    "uniqueid",
    "started_at",
    "callerid",
    "called",
    "destination",
    "prefix",
    "duration",
    "billed_seconds",
    "price_per_minute",
    "cost",
    "status",
];
const PORTAL_REFILL: [&str; 5] = ["id", "created_at", "amount", "type", "description"];
const PORTAL_CALLERID: [&str; 5] = ["id", "cid", "name", "active", "approved"];
const LIST: [&str; 4] = ["ok", "limit", "offset", "total"];

/// An answer's rows, after a look at what is beside them.
fn rows<'a>(answer: &'a Value, key: &'static str) -> &'a Vec<Value> {
    let mut allowed = BTreeSet::from(LIST);
    allowed.insert(key);
    assert_eq!(keys(answer), allowed);
    answer[key].as_array().unwrap()
}

on_both!(calls_show_the_accounts_own_price_and_no_other_payers, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    app.client("bob", Some("acme"), "retail").await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    app.talk(&granted, 2_400).await;
    for end in [End::busy(), End::no_answer(), End::failed(2)] {
        let granted = app.dial("alice", BERLIN).await.allowed();
        assert!(app.end(&granted, &end).await);
    }
    assert!(!app.dial("alice", NOWHERE).await.is_allowed());
    app.leave("acme", "0").await;
    assert_eq!(app.dial("alice", BERLIN).await.reason(), "no_wholesale_credit");
    app.flush().await;

    let (alice, acme) = (app.script("alice").await, app.script("acme").await);
    let answer = alice.read("client-api", "calls&limit=50&offset=0").await.ok();
    let calls = answer["data"].as_array().unwrap();
    assert_eq!((&answer["limit"], &answer["offset"], &answer["total"]), (&json!(50), &json!(0), &json!(6)));
    let mut statuses: Vec<&str> = calls.iter().map(|call| call["status"].as_str().unwrap()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, ["answered", "busy", "failed", "noanswer", "refused", "refused"]);
    let ids: Vec<i64> = calls.iter().map(|call| call["id"].as_i64().unwrap()).collect();
    assert!(ids.is_sorted_by(|newer, older| newer > older), "{ids:?}");
    let answered = calls.iter().find(|call| call["status"] == "answered").unwrap();
    assert_eq!(keys(answered), set(&PORTAL_CALL));
    assert_eq!(answered["uniqueid"], granted.dial.unique_id);
    assert_eq!(answered["started_at"], "2026-11-21T12:00:00Z");
    assert_eq!((&answered["called"], &answered["prefix"]), (&json!(BERLIN), &json!("4930")));
    assert_eq!(answered["destination"], "Germany, Berlin");
    assert_eq!((&answered["duration"], &answered["billed_seconds"]), (&json!(3), &json!(3)));
    assert_eq!((&answered["price_per_minute"], &answered["cost"]), (&json!("0.062076"), &json!("0.003104")));
    let nowhere = calls.iter().find(|call| call["called"] == NOWHERE).unwrap();
    assert_eq!((&nowhere["prefix"], &nowhere["cost"]), (&Value::Null, &json!("0.0000")));
    let page = alice.read("client-api", "calls&limit=2&offset=1").await.ok();
    let paged: Vec<i64> = page["data"].as_array().unwrap().iter().map(|call| call["id"].as_i64().unwrap()).collect();
    assert_eq!(paged, ids[1..3]);
    assert_eq!(alice.read("client-api", "calls&limit=999").await.ok()["limit"], 200);
    assert_eq!(alice.read("client-api", "calls&limit=0").await.refused(400), "bad_request");
    assert_eq!(alice.read("client-api", "calls&offset=-1").await.refused(400), "bad_request");
    let far = format!("calls&offset={}", i64::MAX);
    assert_eq!(alice.read("client-api", &far).await.ok()["data"], json!([]));

    let answer = acme.read("reseller-api", "client-calls&login=alice").await.ok();
    let shown = rows(&answer, "calls");
    assert_eq!((shown.len(), &answer["total"], keys(&shown[0])), (1, &json!(1), set(&PORTAL_CALL)));
    assert_eq!(shown[0]["price_per_minute"].to_string(), "0.062076");
    assert_eq!(shown[0]["cost"].to_string(), "0.003104");
    let answer = acme.read("reseller-api", "client-failed-calls&login=alice&limit=50").await.ok();
    let failed = rows(&answer, "calls");
    let mut allowed = set(&PORTAL_CALL);
    allowed.extend(["cause", "hangup_cause"]);
    assert_eq!((failed.len(), &answer["total"]), (5, &json!(5)));
    assert!(failed.iter().all(|call| keys(call) == allowed), "{failed:#?}");
    let mut causes: Vec<&str> = failed.iter().map(|call| call["cause"].as_str().unwrap()).collect();
    causes.sort_unstable();
    assert_eq!(causes, ["busy", "failed", "no_answer", "no_rate", "unavailable"]);
    assert!(!answer.to_string().contains("wholesale"));
    assert_eq!(acme.read("reseller-api", "client-calls&login=bob").await.ok()["calls"], json!([]));
    app.stop().await;
});

on_both!(refills_list_every_credit_that_is_no_call, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    app.talk(&granted, 3_000).await;
    app.credit("alice", "2.5").await;
    app.credit("alice", "-1").await;
    let (alice, acme) = (app.script("alice").await, app.script("acme").await);
    let answer = alice.read("client-api", "refills&limit=50&offset=0").await.ok();
    let refills = answer["data"].as_array().unwrap();
    assert_eq!((refills.len(), &answer["total"]), (2, &json!(2)), "neither the call nor what was taken back");
    assert_eq!(keys(&refills[0]), set(&PORTAL_REFILL));
    assert_eq!((&refills[0]["amount"], &refills[0]["type"]), (&json!("2.5000"), &json!("credit")));
    assert_eq!(refills[0]["description"], "test");
    assert!(refills[0]["created_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(alice.read("client-api", "refills&limit=1&offset=1").await.ok()["data"][0]["amount"], "100.0000");
    let answer = acme.read("reseller-api", "client-refills&login=alice&limit=50").await.ok();
    let shown = rows(&answer, "refills");
    assert_eq!((shown.len(), keys(&shown[0])), (2, set(&PORTAL_REFILL)));
    assert_eq!(shown[0]["amount"].to_string(), "2.5");
    app.stop().await;
});

#[tokio::test]
async fn a_reseller_reads_the_lists_of_its_own_clients_only() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.reseller("rival", "wholesale", None).await;
    app.client("theirs", Some("rival"), "retail").await;
    app.client("direct", None, "retail").await;
    let (alice, acme) = (app.script("alice").await, app.script("acme").await);
    let body = json!({ "cid": "+1234567890", "name": "Main", "set_active": true });
    alice.write("client-api", "add-callerid", &body).await.ok();
    let answer = acme.read("reseller-api", "client-callerids&login=alice").await.ok();
    let shown = rows(&answer, "callerids");
    assert_eq!((shown.len(), keys(&shown[0])), (1, set(&PORTAL_CALLERID)));
    assert_eq!((&shown[0]["cid"], &shown[0]["active"]), (&json!("+1234567890"), &json!(1)));
    for endpoint in ["client-calls", "client-failed-calls", "client-refills", "client-callerids"] {
        let ask = |login: &str| format!("{endpoint}&login={login}");
        let missing = acme.read("reseller-api", &ask("nobody")).await.without_request_id();
        assert_eq!((missing.0, &missing.1["field"]), (404, &json!("login")), "{endpoint}");
        for login in ["theirs", "direct", "acme", "rival", ""] {
            let others = acme.read("reseller-api", &ask(login)).await.without_request_id();
            assert_eq!(others, missing, "{endpoint} {login}");
        }
        let unnamed = acme.read("reseller-api", endpoint).await;
        assert_eq!(
            (unnamed.refused(400).as_str(), &unnamed.json()["field"]),
            ("bad_request", &json!("login"))
        );
        assert_eq!(
            acme.read("reseller-api", &format!("{}&limit=0", ask("alice"))).await.refused(400),
            "bad_request"
        );
        assert_eq!(alice.read("reseller-api", &ask("alice")).await.refused(403), "wrong_key_kind");
    }
    app.stop().await;
}
