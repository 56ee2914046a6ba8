//! The audit finds what does not follow about messages: their charges, what is set aside for them, what campaigns count.

use tollgate::ledger::audit::{AuditReport, audit};
use tollgate::ledger::{Fence, MESSAGE_REVENUE, Posting, PostingLine, RESOLD_MESSAGES, Reference};
use tollgate::store::campaigns::{CampaignProgress, NewCampaign};
use tollgate::store::messages::{MessageEnd, MessageState, NewMessage, Payers};
use tollgate::store::{Reserved, Store, Tx};
use tollgate_rating::Money;

use crate::calls::{CLIENT, RESELLER};
use crate::database::{noon, story};
use crate::schema::execute;

/// Whoever takes the messages of these stories.
const CLAIM: i64 = 77;

fn payers(client: i64, reseller: i64) -> Payers {
    vec![(CLIENT, Money::from_nanos(client)), (RESELLER, Money::from_nanos(reseller))]
}

fn message(id: i64, campaign_id: Option<i64>, state: MessageState, payers: Payers) -> NewMessage {
    NewMessage {
        id,
        account_id: CLIENT,
        campaign_id,
        reference: format!("message-{id}"),
        provider: "any".to_owned(),
        phone: format!("4915112340{id}"),
        sender_id: None,
        body: campaign_id.is_none().then(|| "hello".to_owned()),
        encoding: "gsm7",
        segments: 1,
        scheduled_at: None,
        due_at: noon(),
        state,
        claim: (state == MessageState::Sending).then_some(CLAIM),
        payers,
        prices: "[]".to_owned(),
        failure: None,
    }
}

/// Posts what a message costs.
async fn charge(tx: &mut Tx, id: i64, payers: &[(i64, Money)]) -> i64 {
    let mut lines = Vec::new();
    for ((payer, amount), collected) in payers.iter().zip([RESOLD_MESSAGES, MESSAGE_REVENUE]) {
        lines.push(PostingLine::new(*payer, amount.checked_neg().unwrap()));
        lines.push(PostingLine::new(collected, *amount));
    }
    let posting = Posting {
        kind: "sms".to_owned(),
        lines,
        currency: "EUR".to_owned(),
        reference: Some(Reference { scope: 0, text: format!("message-{id}") }),
        note: None,
        fence: Fence::Fact,
    };
    tx.post(&posting, noon()).await.unwrap().unwrap().tx_id
}

/// A message that was being sent ends: charged where it was sent.
async fn end(tx: &mut Tx, id: i64, state: MessageState, held_under: &str, payers: &[(i64, Money)]) {
    let amounts: Vec<Money> = payers.iter().map(|(_, amount)| *amount).collect();
    assert!(tx.take_held(held_under, &amounts).await.unwrap());
    let sent = matches!(state, MessageState::SentToProvider | MessageState::Unknown);
    let is_due = sent && amounts.iter().any(|amount| *amount != Money::ZERO);
    let tx_id = if is_due { Some(charge(tx, id, payers).await) } else { None };
    let ended = MessageEnd { sent_at: sent.then(noon), tx_id, ..MessageEnd::default() };
    assert!(tx.end_message((id, CLAIM), state, &ended, noon()).await.unwrap());
}

/// Messages of every sort: 1 and 2 sent, 3 sent for nothing, 4 scheduled, 5 called back, 6 refused, 7 perhaps sent; and
/// campaign 10 with 11 sent, 12 waiting, 14 being sent, 15 refused, and a number without a price.
async fn book(store: &Store) {
    use MessageState::{Queued, Rejected, Scheduled, Sending, SentToProvider, Unknown};
    let mut tx = store.begin().await.unwrap();
    tx.reserve_ids(Reserved::default()).await.unwrap();
    let singles = [
        (1, Sending, payers(70, 50)),
        (2, Sending, payers(140, 100)),
        (3, Sending, payers(0, 0)),
        (4, Scheduled, payers(70, 50)),
        (6, Sending, payers(70, 50)),
        (7, Sending, payers(70, 50)),
    ];
    for (id, state, payers) in &singles {
        tx.hold_credit(&format!("message-{id}"), "sms", payers, noon()).await.unwrap();
        tx.insert_messages(&[message(*id, None, *state, payers.clone())], noon()).await.unwrap();
    }
    tx.insert_messages(&[message(5, None, MessageState::Cancelled, payers(70, 50))], noon()).await.unwrap();
    let campaign = NewCampaign {
        id: 10,
        account_id: CLIENT,
        reference: "campaign-10".to_owned(),
        provider: "any".to_owned(),
        sender_id: None,
        body: "hello all".to_owned(),
        encoding: "gsm7",
        segments: 1,
        scheduled_at: None,
    };
    tx.insert_campaign(&campaign, noon()).await.unwrap();
    let all = [(11, Sending), (12, Queued), (14, Sending), (15, Sending)];
    let of_campaign = all.map(|(id, state)| message(id, Some(10), state, payers(7, 5)));
    tx.insert_messages(&of_campaign, noon()).await.unwrap();
    tx.hold_credit("campaign-10", "sms", &payers(28, 20), noon()).await.unwrap();
    assert!(tx.publish_campaign(10, 4, 1).await.unwrap());
    for (id, state) in [(1, SentToProvider), (2, SentToProvider), (3, Unknown), (6, Rejected), (7, Unknown)] {
        let payers = &singles.iter().find(|(single, ..)| *single == id).unwrap().2;
        end(&mut tx, id, state, &format!("message-{id}"), payers).await;
    }
    end(&mut tx, 11, SentToProvider, "campaign-10", &payers(7, 5)).await;
    end(&mut tx, 15, Rejected, "campaign-10", &payers(7, 5)).await;
    let progress =
        CampaignProgress { sent: 1, failed: 1, cost: Money::from_nanos(7), ..CampaignProgress::default() };
    tx.count_campaign(10, progress, noon()).await.unwrap();
    tx.commit().await.unwrap();
}

/// Does to the book what only somebody with the database's own rights can.
async fn tamper(store: &Store, texts: &[&'static str]) {
    for table in ["entries", "transactions", "posting_references"] {
        let texts = if store.is_postgres() {
            vec![format!("ALTER TABLE {table} DISABLE TRIGGER ALL")]
        } else {
            ["update", "delete"].map(|event| format!("DROP TRIGGER {table}_keep_{event}")).to_vec()
        };
        for text in texts {
            execute(store, Box::leak(text.into_boxed_str())).await.unwrap();
        }
    }
    for text in texts {
        assert!(execute(store, text).await.unwrap() > 0, "{text} changes nothing");
    }
}

fn named(report: &AuditReport) -> Vec<(&'static str, &str)> {
    report.differences.iter().map(|found| (found.kind, found.subject.as_str())).collect()
}

/// What is found after a change: kinds and subjects.
async fn assert_found(store: &Store, texts: &[&'static str], wanted: &[(&str, &str)]) {
    book(store).await;
    assert_eq!(audit(store).await.unwrap().differences, []);
    tamper(store, texts).await;
    let report = audit(store).await.unwrap();
    assert!(!report.ok);
    assert_eq!(named(&report), wanted);
}

story!(messages_that_nobody_touched_are_in_order, database => {
    assert!(audit(&database.store).await.unwrap().ok);
    book(&database.store).await;
    let report = audit(&database.store).await.unwrap();
    assert_eq!(report.differences, []);
    assert_eq!((report.ok, report.messages, report.entries), (true, 11, 4 * 4));
});

story!(a_message_that_was_sent_and_not_charged_is_found, database => {
    let texts = ["UPDATE sms_messages SET tx_id = NULL WHERE id = 1"];
    let wanted = [
        ("message_charge", "message 1"),
        ("message_charge", "message 1 by its name"),
        ("entries", "message 1"),
        ("message", "transaction 1"),
    ];
    assert_found(&database.store, &texts, &wanted).await;
});

story!(a_message_that_was_called_back_and_is_charged_is_found, database => {
    let texts = ["UPDATE sms_messages SET tx_id = NULL WHERE id = 1", "UPDATE sms_messages SET tx_id = 1 WHERE id = 5"];
    let wanted = [
        ("message_charge", "message 1"),
        ("message_charge", "message 1 by its name"),
        ("entries", "message 1"),
        ("message_charge", "message 5"),
        ("message_charge", "message 5 by its name"),
        ("entries", "message 5"),
    ];
    assert_found(&database.store, &texts, &wanted).await;
});

story!(a_message_whose_charge_was_changed_is_found, database => {
    let texts = ["UPDATE sms_messages SET charge_2 = charge_2 + 1 WHERE id = 2"];
    assert_found(&database.store, &texts, &[("entries", "message 2")]).await;
});

story!(a_resellers_share_that_went_to_the_wrong_account_is_found, database => {
    let texts = ["UPDATE entries SET account_id = 5 WHERE tx_id = 1 AND account_id = 6"];
    assert_found(&database.store, &texts, &[("entries", "message 1")]).await;
});

story!(lost_entries_of_a_message_are_found, database => {
    let texts = ["DELETE FROM entries WHERE tx_id = 3"];
    assert_found(&database.store, &texts, &[("entries", "message 7")]).await;
});

story!(a_transaction_of_another_kind_is_found, database => {
    let texts = ["UPDATE transactions SET kind = 'credit' WHERE id = 2"];
    assert_found(&database.store, &texts, &[("message_charge", "message 2 kind")]).await;
});

story!(a_lost_message_is_found_by_its_transaction, database => {
    let texts = ["DELETE FROM sms_messages WHERE id = 2"];
    assert_found(&database.store, &texts, &[("message", "transaction 2")]).await;
});

story!(a_lost_message_is_found_by_what_is_set_aside_for_it, database => {
    let texts = ["DELETE FROM sms_messages WHERE id = 4"];
    let wanted = [
        ("held", "credit set aside under message-4 at 1"),
        ("held", "credit set aside under message-4 at 2"),
    ];
    assert_found(&database.store, &texts, &wanted).await;
});

story!(a_waiting_message_for_which_too_little_is_set_aside_is_found, database => {
    let texts = ["UPDATE held_credit SET amount = amount - 1 WHERE reference = 'message-4' AND position = 2"];
    assert_found(&database.store, &texts, &[("held", "message 4")]).await;
});

story!(credit_that_is_set_aside_of_somebody_else_is_found, database => {
    let texts = ["UPDATE held_credit SET account_id = 102 WHERE reference = 'message-4' AND position = 2"];
    assert_found(&database.store, &texts, &[("held", "message 4")]).await;
});

story!(credit_that_stays_set_aside_for_a_message_at_its_end_is_found, database => {
    let texts = ["UPDATE sms_messages SET state = 'CANCELLED' WHERE id = 4"];
    assert_found(&database.store, &texts, &[("held", "message 4")]).await;
});

story!(a_state_that_says_something_else_than_what_was_done_is_found, database => {
    let texts = ["UPDATE sms_messages SET state = 'QUEUED' WHERE id = 3", "UPDATE sms_messages SET state = 'DELIVERED' WHERE id = 6"];
    let wanted = [("message_state", "message 3"), ("message_state", "message 6")];
    assert_found(&database.store, &texts, &wanted).await;
});

story!(a_campaign_that_counts_something_else_is_found, database => {
    let texts = ["UPDATE sms_campaigns SET sent = sent + 1 WHERE id = 10"];
    assert_found(&database.store, &texts, &[("campaign", "campaign 10")]).await;
});

story!(a_campaigns_cost_that_is_not_its_messages_is_found, database => {
    let texts = ["UPDATE sms_campaigns SET cost = cost - 1 WHERE id = 10"];
    assert_found(&database.store, &texts, &[("campaign", "campaign 10")]).await;
});

story!(a_campaigns_lost_message_is_found, database => {
    let texts = ["DELETE FROM sms_messages WHERE id = 12"];
    assert_found(&database.store, &texts, &[("campaign", "campaign 10"), ("held", "campaign 10")]).await;
});

story!(a_campaign_for_which_too_much_is_set_aside_is_found, database => {
    let texts = ["UPDATE held_credit SET amount = amount + 1 WHERE reference = 'campaign-10' AND position = 1"];
    assert_found(&database.store, &texts, &[("held", "campaign 10")]).await;
});

story!(a_staged_campaign_that_counts_messages_or_whose_hold_is_too_small_is_found, database => {
    let texts = [
        "UPDATE sms_campaigns SET state = 'STAGING' WHERE id = 10",
        "UPDATE held_credit SET amount = amount - 1 WHERE reference = 'campaign-10' AND position = 1",
    ];
    assert_found(&database.store, &texts, &[("campaign", "campaign 10"), ("held", "campaign 10")]).await;
});

story!(a_staged_campaign_holds_more_than_its_messages_cost_so_far, database => {
    book(&database.store).await;
    let mut tx = database.store.begin().await.unwrap();
    tx.reserve_ids(Reserved::default()).await.unwrap();
    let campaign = NewCampaign {
        id: 20,
        account_id: CLIENT,
        reference: "campaign-20".to_owned(),
        provider: "any".to_owned(),
        sender_id: None,
        body: "hello all".to_owned(),
        encoding: "gsm7",
        segments: 1,
        scheduled_at: None,
    };
    tx.insert_campaign(&campaign, noon()).await.unwrap();
    tx.hold_credit("campaign-20", "sms", &payers(70, 50), noon()).await.unwrap();
    tx.insert_messages(&[message(21, Some(20), MessageState::Queued, payers(7, 5))], noon()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(audit(&database.store).await.unwrap().differences, []);
    database.store.discard_messages(20).await.unwrap();
    let mut tx = database.store.begin().await.unwrap();
    tx.reserve_ids(Reserved::default()).await.unwrap();
    assert_eq!(tx.discard_campaign(20).await.unwrap(), Some(payers(70, 50)));
    assert_eq!(tx.discard_campaign(20).await.unwrap(), None);
    tx.commit().await.unwrap();
    let report = audit(&database.store).await.unwrap();
    assert_eq!((report.differences, report.messages), (Vec::new(), 11));
});

story!(more_messages_than_a_page_holds_are_all_proved, database => {
    book(&database.store).await;
    let mut tx = database.store.begin().await.unwrap();
    tx.reserve_ids(Reserved::default()).await.unwrap();
    for first in (1_000..2_100).step_by(100) {
        let some: Vec<NewMessage> = (first..first + 100)
            .map(|id| message(id, None, MessageState::Cancelled, payers(7, 5)))
            .collect();
        tx.insert_messages(&some, noon()).await.unwrap();
    }
    tx.commit().await.unwrap();
    let report = audit(&database.store).await.unwrap();
    assert_eq!((report.ok, report.messages), (true, 11 + 1_100));
    tamper(&database.store, &["UPDATE sms_messages SET tx_id = 999 WHERE id = 2099"]).await;
    let report = audit(&database.store).await.unwrap();
    assert!(named(&report).contains(&("message_charge", "message 2099")), "{:?}", report.differences);
});
