//! Clients that claim addresses: more than Asterisk bears, somebody else's, the operator's own.

use futures::future::join_all;
use serde_json::json;
use tollgate::catalog::admin::trunks::TrunkSpec;
use tollgate::config::{IpApproval, Peers};
use tollgate::peers::claims;
use tollgate::peers::ops::PeerError;

use crate::app::TestApp;
use crate::app::database::{Database, on_both};
use crate::app::decks::BERLIN;
use crate::app::http::{Answered, Script};
use crate::app::phone::{Dial, End};

const OFFICE: &str = "203.0.113.10";

async fn claim(script: &Script, sip_login: &str, ip: &str) -> Answered {
    script.write("client-api", "ip-auth-create", &json!({ "sip_login": sip_login, "ip": ip })).await
}

/// The names that Asterisk has an identify for.
fn identified(app: &TestApp) -> Vec<String> {
    app.calls.directory.phones().addresses().iter().map(|(name, _)| name.to_string()).collect()
}

/// A call of `endpoint` from an address: `allowed`, or why not.
async fn call(app: &TestApp, endpoint: &str, from: &str) -> String {
    let dial = Dial { source: format!("{from}:5060"), ..Dial::new(endpoint, BERLIN) };
    let answer = dial.ask(app.fastagi).await;
    if !answer.is_allowed() {
        return answer.reason().to_owned();
    }
    assert!(app.end(&answer.allowed(), &End::busy()).await);
    "allowed".to_owned()
}

fn count(answers: &[Answered], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

async fn on(database: Database, change: impl FnOnce(&mut Peers)) -> TestApp {
    let app = TestApp::on(database, |config| change(&mut config.peers)).await;
    app.furnish().await;
    app.client("bob", Some("acme"), "retail").await;
    app.credit("bob", "100").await;
    app
}

on_both!(a_clients_addresses_end_at_its_bound_however_many_are_claimed_at_once, database => {
    let app = on(database, |peers| peers.ips_per_client = 3).await;
    let alice = app.script("alice").await;
    let second = alice.write("client-api", "create-sip", &json!({})).await.ok();
    let names = ["alice", second["data"]["name"].as_str().unwrap()];
    let ips: Vec<String> = (1..=12).map(|n| format!("198.51.100.{n}")).collect();
    let claims = ips.iter().enumerate().map(|(n, ip)| claim(&alice, names[n % 2], ip));
    let answers = join_all(claims).await;
    assert_eq!((count(&answers, 200), count(&answers, 409)), (3, 9), "{answers:?}");
    let refused = answers.iter().find(|answer| answer.status == 409).unwrap();
    assert_eq!((refused.refused(409).as_str(), &refused.json()["field"]), ("limit_reached", &json!("ip")));
    // One that is switched off is a row all the same.
    let listed = alice.read("client-api", "ip-auth-list").await.ok();
    let row = listed["data"].as_array().unwrap().iter().find_map(|group| group["ip_auth"].get(0)).unwrap().clone();
    alice.write("client-api", "ip-auth-disable", &json!({ "id": row["id"] })).await.ok();
    assert_eq!(claim(&alice, "alice", "198.51.100.99").await.refused(409), "limit_reached");
    alice.write("client-api", "ip-auth-delete", &json!({ "id": row["id"] })).await.ok();
    claim(&alice, "alice", "198.51.100.99").await.ok();
    // Others have their own.
    claim(&app.script("bob").await, "bob", "198.51.100.100").await.ok();
    app.stop().await;
});

on_both!(asterisk_is_told_as_many_addresses_as_it_bears_and_the_last_goes_to_one, database => {
    let app = on(database, |peers| (peers.ips_in_all, peers.ips_per_client) = (5, 20)).await;
    let scripts = [(app.script("alice").await, "alice"), (app.script("bob").await, "bob")];
    let ips: Vec<String> = (1..=14).map(|n| format!("198.51.100.{n}")).collect();
    let claims = ips.iter().enumerate().map(|(n, ip)| {
        let (script, login) = &scripts[n % 2];
        claim(script, login, ip)
    });
    let answers = join_all(claims).await;
    assert_eq!((count(&answers, 200), count(&answers, 409)), (5, 9), "{answers:?}");
    assert_eq!(identified(&app).len(), 5);
    // What is switched off makes room, and takes it again only while there is some.
    let (alice, _) = &scripts[0];
    let listed = alice.read("client-api", "ip-auth-list").await.ok();
    let id = &listed["data"][0]["ip_auth"][0]["id"];
    alice.write("client-api", "ip-auth-disable", &json!({ "id": id })).await.ok();
    claim(&scripts[1].0, "bob", "198.51.100.50").await.ok();
    let again = alice.write("client-api", "ip-auth-enable", &json!({ "id": id })).await;
    assert_eq!(again.refused(409), "limit_reached");
    assert_eq!(identified(&app).len(), 5);
    app.stop().await;
});

#[tokio::test]
async fn a_reseller_cannot_fill_asterisk_with_its_clients() {
    let app = on(Database::sqlite(), |peers| peers.ips_per_reseller = 2).await;
    app.client("direct", None, "retail").await;
    let (alice, bob, direct) =
        (app.script("alice").await, app.script("bob").await, app.script("direct").await);
    claim(&alice, "alice", "198.51.100.1").await.ok();
    claim(&bob, "bob", "198.51.100.2").await.ok();
    let refused = claim(&bob, "bob", "198.51.100.3").await;
    assert_eq!(refused.refused(409), "limit_reached");
    assert!(!refused.json()["error"].as_str().unwrap().contains("acme"), "{refused:?}");
    claim(&direct, "direct", "198.51.100.4").await.ok();
    app.stop().await;
}

on_both!(a_claim_that_waits_for_a_proof_calls_only_after_a_call_from_that_address, database => {
    let app = on(database, |peers| peers.ip_approval = IpApproval::Proof).await;
    let (alice, bob) = (app.script("alice").await, app.script("bob").await);
    // The squatter is first.
    let squatted = claim(&bob, "bob", OFFICE).await.ok();
    assert_eq!((&squatted["data"]["status"], &squatted["data"]["state"]), (&json!(0), &json!("pending")));
    let rightful = claim(&alice, "alice", OFFICE).await.ok();
    assert_eq!(rightful["data"]["state"], "pending", "a pending claim keeps nobody from the address");
    assert_eq!(identified(&app), [""; 0], "Asterisk is told of neither");
    for name in ["alice_ipa1", "bob_ipa1"] {
        assert_eq!(call(&app, name, OFFICE).await, "inactive", "{name}");
    }
    // No call from elsewhere is a proof, and none of another's account.
    assert_eq!(call(&app, "alice", "198.51.100.7").await, "allowed");
    assert_eq!(call(&app, "bob", "198.51.100.7").await, "allowed");
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(identified(&app), [""; 0]);
    // A call that is refused for its number proves it as well: nobody need pay for it.
    let dial = Dial { source: format!("{OFFICE}:49152"), ..Dial::new("alice", "0") };
    assert!(!dial.ask(app.fastagi).await.is_allowed());
    until(&app, "alice_ipa1").await;
    assert_eq!(call(&app, "alice_ipa1", OFFICE).await, "allowed");
    let shown = alice.read("client-api", "ip-auth-list").await.ok();
    assert_eq!(shown["data"][0]["ip_auth"][0]["state"], "active");
    // The squatter's claim stays pending, even behind the same address, and its row is no way around.
    assert_eq!(call(&app, "bob", OFFICE).await, "allowed");
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let id = &squatted["data"]["id"];
    for endpoint in ["ip-auth-disable", "ip-auth-enable"] {
        bob.write("client-api", endpoint, &json!({ "id": id })).await.ok();
    }
    assert_eq!(identified(&app), ["alice_ipa1"]);
    assert_eq!(call(&app, "bob_ipa1", OFFICE).await, "inactive");
    // A restart knows what was proved, and still expects the other's proof.
    let app = TestApp::on(app.stop().await, |config| config.peers.ip_approval = IpApproval::Proof).await;
    assert_eq!(identified(&app), ["alice_ipa1"]);
    claims::delete_address(&app.services, "alice", OFFICE).await.unwrap();
    assert_eq!(call(&app, "bob", OFFICE).await, "allowed");
    until(&app, "bob_ipa1").await;
    app.stop().await;
});

/// Waits until Asterisk is told of a peer's address.
async fn until(app: &TestApp, name: &str) {
    for _ in 0..200 {
        if identified(app).iter().any(|known| known == name) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{name} did not come into force within 10 s");
}

#[tokio::test]
async fn a_claim_that_waits_for_the_operator_is_approved_by_nobody_else() {
    let app = on(Database::sqlite(), |peers| peers.ip_approval = IpApproval::Operator).await;
    let alice = app.script("alice").await;
    claim(&alice, "alice", OFFICE).await.ok();
    assert_eq!(call(&app, "alice", OFFICE).await, "allowed");
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(identified(&app), [""; 0], "a proof is not what is waited for");
    let pending = claims::pending_addresses(&app.services).await.unwrap();
    assert_eq!(pending.iter().map(|peer| peer.name.as_str()).collect::<Vec<_>>(), ["alice_ipa1"]);
    claims::approve_address(&app.services, "alice", OFFICE).await.unwrap();
    assert_eq!(identified(&app), ["alice_ipa1"]);
    assert_eq!(call(&app, "alice_ipa1", OFFICE).await, "allowed");
    let again = claims::approve_address(&app.services, "alice", OFFICE).await;
    assert!(matches!(again, Err(PeerError::Approved(_))), "{again:?}");
    // The operator's own word needs no second one.
    assert!(claims::create_address(&app.services, "bob", "198.51.100.9").await.unwrap().approved);
    app.stop().await;
}

on_both!(an_address_that_was_squatted_goes_to_its_owner_by_the_operators_word, database => {
    let app = on(database, |_| {}).await;
    let (alice, bob) = (app.script("alice").await, app.script("bob").await);
    let squatted = claim(&bob, "bob", OFFICE).await.ok();
    let told = claim(&alice, "alice", OFFICE).await;
    assert_eq!(told.refused(409), "ip_in_use");
    let text = told.json().to_string();
    assert!(text.contains("ask the operator") && !text.contains("bob"), "{text}");
    let claims = claims::who_claims(&app.services, OFFICE).await.unwrap();
    assert_eq!(claims.iter().map(|peer| peer.name.as_str()).collect::<Vec<_>>(), ["bob_ipa1"]);
    let moved = claims::move_address(&app.services, OFFICE, "alice").await.unwrap();
    assert_eq!(moved.name, "alice_ipa1");
    assert_eq!(identified(&app), ["alice_ipa1"]);
    assert_eq!(call(&app, "alice_ipa1", OFFICE).await, "allowed");
    assert_eq!(call(&app, "bob_ipa1", OFFICE).await, "inactive");
    let shown = bob.read("client-api", "ip-auth-list").await.ok();
    assert_eq!(shown["data"][0]["ip_auth"][0]["state"], "disabled");
    let back = bob.write("client-api", "ip-auth-enable", &json!({ "id": squatted["data"]["id"] })).await;
    assert_eq!(back.refused(409), "ip_in_use");
    // Moved to whoever has it already nothing changes, and moved back the old peer serves again.
    assert_eq!(claims::move_address(&app.services, OFFICE, "alice").await.unwrap().id, moved.id);
    assert_eq!(claims::move_address(&app.services, OFFICE, "bob").await.unwrap().name, "bob_ipa1");
    assert_eq!(identified(&app), ["bob_ipa1"]);
    app.stop().await;
});

#[tokio::test]
async fn the_operators_own_addresses_are_nobodys_by_name_or_number() {
    let app = on(Database::sqlite(), |peers| {
        peers.own_ips = vec!["198.51.100.0/28".parse().unwrap()];
        peers.allow_ips = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let trunk = |name: &str, host: &str| TrunkSpec {
        host: Some(host.to_owned()),
        ..TrunkSpec::new(name, &format!("{name}-endpoint"), "carrier-a")
    };
    // The hosts file knows this name everywhere.
    app.trunk(trunk("third", "localhost:5060;transport=tcp")).await;
    app.trunk(trunk("fourth", "203.0.113.200:5080")).await;
    let alice = app.script("alice").await;
    for ip in ["198.51.100.3", "127.0.0.1", "203.0.113.200"] {
        let refused = claim(&alice, "alice", ip).await;
        assert_eq!(refused.refused(409), "ip_in_use", "{ip}");
        assert!(!refused.json().to_string().contains("third"), "{refused:?}");
        assert!(matches!(
            claims::create_address(&app.services, "alice", ip).await,
            Err(PeerError::OwnAddress { .. })
        ));
        assert!(matches!(
            claims::move_address(&app.services, ip, "alice").await,
            Err(PeerError::OwnAddress { .. })
        ));
    }
    claim(&alice, "alice", "198.51.100.16").await.ok();
    app.stop().await;
}

#[tokio::test]
async fn addresses_cannot_be_searched_for_those_that_others_have() {
    let app = on(Database::sqlite(), |_| {}).await;
    let (alice, bob) = (app.script("alice").await, app.script("bob").await);
    for n in 1..=12 {
        claims::create_address(&app.services, "bob", &format!("198.51.100.{n}")).await.unwrap();
    }
    for n in 1..=10 {
        assert_eq!(claim(&alice, "alice", &format!("198.51.100.{n}")).await.refused(409), "ip_in_use");
    }
    for ip in ["198.51.100.11", "198.51.100.200"] {
        let refused = claim(&alice, "alice", ip).await;
        assert_eq!(refused.refused(429), "too_many_attempts", "taken or free, nothing is said: {ip}");
    }
    // One's own are no guesses, and others ask on.
    for _ in 0..15 {
        assert_eq!(claim(&bob, "bob", "198.51.100.1").await.refused(409), "ip_in_use");
    }
    claim(&bob, "bob", "198.51.100.201").await.ok();
    app.stop().await;
}
