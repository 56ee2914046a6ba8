//! Audits messages: charges, holds and campaign counters.

use std::collections::{BTreeMap, HashMap};

use super::Audit;
use crate::store::audit::messages::{Amounts, CampaignPart, CampaignRow, MessageRow};
use crate::store::messages::MessageState::{
    self, Cancelled, Delivered, Expired, Failed, Queued, Rejected, Scheduled, Sending, SentToProvider,
    Unknown,
};
use crate::store::posting::{MESSAGE_REVENUE, RESOLD_MESSAGES};
use crate::store::{Head, Store, StoreError};

/// No payer and no amount.
const NOTHING: Amounts = [(None, 0); 4];

impl Audit {
    /// Audits messages and campaigns:
    ///
    /// - a message that a provider accepted, or may have accepted, has one transaction under its own name, whose
    ///   entries are exactly the payers' amounts; any other message has none;
    /// - every transaction for messages belongs to a message;
    /// - holds equal the cost of the waiting messages exactly;
    /// - a campaign's counters equal its messages plus its recipients without a message row.
    pub(super) async fn messages(&mut self, store: &Store, head: Head) -> Result<(), StoreError> {
        let newest = store.audit_message_head().await?;
        let mut after = 0;
        loop {
            let (messages, entries) = store.audit_messages(after, newest).await?;
            let Some(last) = messages.last() else { break };
            after = last.id;
            let mut entries_of: HashMap<i64, BTreeMap<i64, i128>> = HashMap::new();
            for entry in entries {
                let sums = entries_of.entry(entry.tx_id).or_default();
                *sums.entry(entry.account_id).or_insert(0) += i128::from(entry.amount);
            }
            for message in &messages {
                let entries = message.tx_id.and_then(|tx_id| entries_of.remove(&tx_id)).unwrap_or_default();
                self.message(message, &entries);
            }
        }
        for id in store.audit_stray_message_transactions(head).await? {
            self.differs("message", format!("transaction {id}"), &"a message of its own", &"none");
        }
        for stray in store.audit_stray_message_credit().await? {
            let subject = format!("credit set aside under {} at {}", stray.reference, stray.position);
            self.differs("held", subject, &"a message or a campaign", &format!("{} nanos", stray.amount));
        }
        self.campaigns(store, newest).await
    }

    fn message(&mut self, message: &MessageRow, entries: &BTreeMap<i64, i128>) {
        self.report.messages += 1;
        let subject = format!("message {}", message.id);
        if may_have_been_sent(message.state).is_some_and(|sent| sent != message.was_sent) {
            let state = message.state.as_str();
            let found = if message.was_sent { "sent" } else { "not sent" };
            self.differs("message_state", subject.clone(), &format!("what {state} says"), &found);
        }
        let expected = if message.was_sent { expected_entries(&message.payers) } else { BTreeMap::new() };
        let is_charged = message.tx_id.is_some();
        if is_charged == expected.is_empty() {
            let (expected, found) =
                if is_charged { ("no transaction", "one") } else { ("a transaction", "none") };
            self.differs("message_charge", subject.clone(), &expected, &found);
        }
        if message.tx_id != message.named_tx {
            let of = |tx_id: Option<i64>| tx_id.map_or("none".to_owned(), |id| format!("transaction {id}"));
            let subject = format!("{subject} by its name");
            self.differs("message_charge", subject, &of(message.tx_id), &of(message.named_tx));
        }
        if is_charged && message.tx_kind.as_deref() != Some("sms") {
            let found = message.tx_kind.as_deref().unwrap_or("no transaction");
            self.differs("message_charge", format!("{subject} kind"), &"sms", &found);
        }
        if expected != *entries {
            self.differs("entries", subject.clone(), &format!("{expected:?}"), &format!("{entries:?}"));
        }
        if message.campaign_id.is_none() {
            let waits = if waits(message.state) { message.payers } else { NOTHING };
            self.held(&subject, &waits, &message.held);
        }
    }

    /// Compares the holds; a payer of nothing must hold nothing.
    fn held(&mut self, subject: &str, expected: &Amounts, found: &Amounts) {
        let counts = |amounts: &Amounts| amounts.map(|(who, amount)| (who.filter(|_| amount != 0), amount));
        if counts(expected) != counts(found) {
            self.differs("held", subject.to_owned(), &format!("{expected:?}"), &format!("{found:?}"));
        }
    }

    async fn campaigns(&mut self, store: &Store, newest: i64) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let parts = store.audit_campaigns(after, newest).await?;
            let Some(last) = parts.last() else { return Ok(()) };
            after = last.campaign.id;
            for parts in parts.chunk_by(|one, other| one.campaign.id == other.campaign.id) {
                self.campaign(parts);
            }
        }
    }

    fn campaign(&mut self, parts: &[CampaignPart]) {
        let Some(CampaignPart { campaign, held, .. }) = parts.first() else { return };
        let subject = format!("campaign {}", campaign.id);
        let (mut counted, mut waiting) = (CampaignRow { waiting: 0, ..nothing_of(campaign) }, NOTHING);
        for part in parts {
            let Some(state) = part.message_state else { continue };
            counted.recipients += part.messages;
            let of_state = match state {
                Scheduled | Queued | Sending => Some(&mut counted.waiting),
                Unknown => Some(&mut counted.unknown),
                Cancelled => Some(&mut counted.cancelled),
                Failed | Expired | Rejected => Some(&mut counted.failed),
                Delivered => Some(&mut counted.delivered),
                SentToProvider => None,
            };
            if let Some(number) = of_state {
                *number += part.messages;
            }
            if part.were_sent {
                counted.cost += part.charges.first().map_or(0, |(_, charge)| *charge);
                counted.sent += if state == Unknown { 0 } else { part.messages };
            }
            if waits(state) {
                for ((who, sum), (payer, charge)) in waiting.iter_mut().zip(&part.charges) {
                    *who = who.or(*payer);
                    *sum += charge;
                }
            }
        }
        let is_staged = campaign.state == "STAGING";
        if is_staged {
            // The credit is held before the messages are written, and counting starts after all of them are written.
            counted = nothing_of(campaign);
        }
        counted.recipients += campaign.failed_unstored + campaign.cancelled_unstored;
        counted.failed += campaign.failed_unstored;
        counted.cancelled += campaign.cancelled_unstored;
        let (expected, found) = (numbers(&counted), numbers(campaign));
        if expected != found {
            self.differs("campaign", subject.clone(), &format!("{expected:?}"), &format!("{found:?}"));
        }
        let covers = |((_, needed), (_, found)): (&(_, i64), &(_, i64))| found >= needed;
        if !is_staged || !waiting.iter().zip(held).all(covers) {
            self.held(&subject, &waiting, held);
        }
    }
}

/// Reports whether a message in this state must have been submitted to its provider or must not; `None` where either is
/// possible.
const fn may_have_been_sent(state: MessageState) -> Option<bool> {
    match state {
        Scheduled | Queued | Sending | Cancelled => Some(false),
        SentToProvider | Delivered | Expired | Unknown => Some(true),
        Failed | Rejected => None,
    }
}

const fn waits(state: MessageState) -> bool {
    matches!(state, Scheduled | Queued | Sending)
}

/// A campaign with all counters at zero.
fn nothing_of(campaign: &CampaignRow) -> CampaignRow {
    CampaignRow {
        id: campaign.id,
        state: campaign.state.clone(),
        recipients: 0,
        waiting: 0,
        sent: 0,
        delivered: 0,
        failed: 0,
        unknown: 0,
        cancelled: 0,
        cost: 0,
        failed_unstored: 0,
        cancelled_unstored: 0,
    }
}

fn numbers(campaign: &CampaignRow) -> [(&'static str, i64); 8] {
    [
        ("recipients", campaign.recipients),
        ("waiting", campaign.waiting),
        ("sent", campaign.sent),
        ("delivered", campaign.delivered),
        ("failed", campaign.failed),
        ("unknown", campaign.unknown),
        ("cancelled", campaign.cancelled),
        ("cost", campaign.cost),
    ]
}

/// Computes the effect of the payers' charges on each account.
fn expected_entries(payers: &Amounts) -> BTreeMap<i64, i128> {
    let payers: Vec<(i64, i64)> =
        payers.iter().filter_map(|(payer, charge)| payer.map(|id| (id, *charge))).collect();
    let mut expected = BTreeMap::new();
    for (place, (payer, charge)) in (1..).zip(&payers) {
        if *charge != 0 {
            let collected = if place == payers.len() { MESSAGE_REVENUE } else { RESOLD_MESSAGES };
            *expected.entry(*payer).or_insert(0) -= i128::from(*charge);
            *expected.entry(collected).or_insert(0) += i128::from(*charge);
        }
    }
    expected
}
