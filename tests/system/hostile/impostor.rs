//! Answers to the dialplan are proved where a secret is configured; an impostor on FastAGI's port itself is the rig's.

use sha1::{Digest as _, Sha1};
use tollgate::clock::Clock as _;
use tollgate::config::Secret;

use crate::app::TestApp;
use crate::app::decks::BERLIN;
use crate::app::phone::{Answer, Dial, End};

const SECRET: &str = "ASecretOfBothSides0123456789";

/// As the dialplan computes it.
fn proof(script: &str, unique_id: &str) -> String {
    let digest = Sha1::digest(format!("{SECRET}:{script}:{unique_id}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn each_answer_is_proved_for_its_own_channel_and_script_and_no_refusal_needs_a_proof() {
    let app = TestApp::start_with(|config| config.fastagi.proof_secret = Some(Secret::new(SECRET))).await;
    app.furnish().await;
    let dial = Dial::new("alice", BERLIN);
    let outcome = dial.channel().run(app.fastagi).await.unwrap();
    assert_eq!(outcome.variable("TG_PROOF"), Some(proof("authorize", &dial.unique_id).as_str()));
    let granted = Answer::of(&dial, &outcome).allowed();
    let now_us = app.clock.now().as_microsecond();
    let ended = End::busy().channel(&dial, &granted.ticket, now_us).run(app.fastagi).await.unwrap();
    assert_eq!(ended.variable("TG_PROOF"), Some(proof("settle", &dial.unique_id).as_str()));
    assert_eq!(ended.variable("TG_SETTLED"), Some("1"));
    let stranger = Dial::new("nobody", BERLIN);
    let refused = stranger.channel().run(app.fastagi).await.unwrap();
    assert_eq!((refused.variable("TG_PROOF"), refused.variable("TG_TOKEN")), (None, None));
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn without_a_secret_the_answer_is_as_it_always_was() {
    let app = TestApp::start().await;
    app.furnish().await;
    let outcome = Dial::new("alice", BERLIN).channel().run(app.fastagi).await.unwrap();
    assert_eq!((outcome.variable("TG_PROOF"), outcome.variable("TG_STATUS")), (None, Some("ALLOW")));
    app.stop().await;
}
