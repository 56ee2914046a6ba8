//! Actions that were sent and not answered yet, each under an unpredictable `ActionID`.

use std::collections::HashMap;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{AmiError, Message};
use crate::secrets::random_below;

/// Maximum number of items of a list: every contact of 100,000 peers, and a bound on memory (about 2 KiB an item).
pub(super) const MAX_LIST_ITEMS: usize = 120_000;

/// The recipient of an answer.
#[derive(Debug)]
pub(super) enum Waiting {
    /// A caller that asked for one answer.
    One(oneshot::Sender<Result<Message, AmiError>>),
    /// A caller that asked for a list.
    List(oneshot::Sender<Result<Vec<Message>, AmiError>>),
    /// No recipient: only the arrival of the answer matters.
    Nobody,
}

impl Waiting {
    /// Reports whether the caller has gone.
    pub(super) fn is_forgotten(&self) -> bool {
        match self {
            Self::One(answer) => answer.is_closed(),
            Self::List(answer) => answer.is_closed(),
            Self::Nobody => false,
        }
    }

    pub(super) fn fail(self, error: AmiError) {
        // The caller may have gone.
        match self {
            Self::One(answer) => drop(answer.send(Err(error))),
            Self::List(answer) => drop(answer.send(Err(error))),
            Self::Nobody => {}
        }
    }
}

#[derive(Debug)]
struct Entry {
    action: &'static str,
    deadline: Instant,
    waiting: Waiting,
    /// Items of a list so far, once it has begun.
    items: Option<Vec<Message>>,
    /// Defect of the list, if any.
    spoiled: Option<&'static str>,
}

/// Classification of a block.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// An answer, or part of one.
    Answer,
    /// An event on its own.
    Event(Message),
    /// An answer to no waiting action.
    Stray(&'static str),
    /// Neither an answer nor an event.
    Malformed,
}

/// The pending actions of one connection.
#[derive(Debug)]
pub(super) struct Pending {
    server: String,
    entries: HashMap<String, Entry>,
    /// The list whose items are arriving. Asterisk writes a list in one go: 22.10.1 put nothing between the items of
    /// 306 lists under 60 calls a second and 7,282 events. Any other block within it was therefore injected through a
    /// value with an empty line, and the list must not be trusted.
    open: Option<String>,
    sent: u64,
}

impl Pending {
    pub(super) fn new(server: &str) -> Self {
        Self { server: server.to_owned(), entries: HashMap::new(), open: None, sent: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Reports whether an action of this name waits for its answer.
    pub(super) fn awaits(&self, action: &str) -> bool {
        self.entries.values().any(|entry| entry.action == action)
    }

    /// Registers an action that is about to be sent; returns its `ActionID`.
    pub(super) fn add(&mut self, action: &'static str, deadline: Instant, waiting: Waiting) -> String {
        self.sent += 1;
        let id = action_id(self.sent);
        self.entries.insert(id.clone(), Entry { action, deadline, waiting, items: None, spoiled: None });
        id
    }

    /// Fails the actions that were not answered in time; returns their number.
    pub(super) fn expire(&mut self, now: Instant) -> usize {
        let late: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.deadline <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in &late {
            self.open.take_if(|open| open == id);
            if let Some(entry) = self.entries.remove(id) {
                let error = self.unanswered(entry.action, "no answer in time");
                entry.waiting.fail(error);
            }
        }
        late.len()
    }

    /// Fails all actions; returns the number of those that were waiting.
    pub(super) fn lose(&mut self, reason: &str) -> usize {
        let lost = std::mem::take(&mut self.entries);
        self.open = None;
        let count = lost.len();
        for entry in lost.into_values() {
            let error = self.unanswered(entry.action, reason);
            entry.waiting.fail(error);
        }
        count
    }

    /// Marks the list in progress as defective: a dropped block may have been part of it.
    pub(super) fn spoil(&mut self, reason: &'static str) {
        if let Some(entry) = self.open.as_ref().and_then(|open| self.entries.get_mut(open)) {
            entry.spoiled.get_or_insert(reason);
        }
    }

    /// Processes a block.
    pub(super) fn take(&mut self, block: Message) -> Taken {
        let id = block.get("ActionID").unwrap_or_default().to_owned();
        if let Some(response) = block.headed("Response") {
            let response = response.to_owned();
            if self.open.is_some() {
                self.spoil("another answer stands in it");
            }
            return self.answer(&id, &response, block);
        }
        if block.headed("Event").is_none() {
            self.spoil("a planted block stands in it");
            return Taken::Malformed;
        }
        if self.open.is_some() && self.open.as_deref() != Some(&id) {
            self.spoil("a planted block stands in it");
        }
        if id.is_empty() {
            return Taken::Event(block);
        }
        self.item(&id, block)
    }

    fn answer(&mut self, id: &str, response: &str, block: Message) -> Taken {
        if id.is_empty() {
            // Asterisk answers so when it could not read an action at all. It is delivered to no waiting action: the
            // actions sent are always readable, and a caller could inject this answer.
            return Taken::Stray("an answer without an ActionID");
        }
        let Some(entry) = self.entries.get_mut(id) else {
            return Taken::Stray("an answer that comes late, or twice");
        };
        if entry.items.is_some() {
            entry.spoiled.get_or_insert("it is answered twice");
            return Taken::Answer;
        }
        let begins = matches!(entry.waiting, Waiting::List(_))
            && response.eq_ignore_ascii_case("Success")
            && block.get("EventList").is_some_and(|list| list.eq_ignore_ascii_case("start"))
            && !block.is_ambiguous();
        if begins {
            entry.items = Some(Vec::new());
            self.open = Some(id.to_owned());
            return Taken::Answer;
        }
        let Some(entry) = self.entries.remove(id) else { return Taken::Answer };
        let told = ["Success", "Goodbye", "Follows"].iter().any(|good| response.eq_ignore_ascii_case(good));
        if block.is_ambiguous() {
            let error = self.incomplete(entry.action, "a name comes twice in it");
            entry.waiting.fail(error);
        } else if !told {
            let message = block.get("Message").unwrap_or("it gave no reason").trim().to_owned();
            let server = self.server.clone();
            entry.waiting.fail(AmiError::Refused { server, action: entry.action.to_owned(), message });
        } else {
            match entry.waiting {
                Waiting::One(answer) => drop(answer.send(Ok(block))),
                Waiting::Nobody => {}
                list @ Waiting::List(_) => list.fail(self.incomplete(entry.action, "no list follows")),
            }
        }
        Taken::Answer
    }

    fn item(&mut self, id: &str, block: Message) -> Taken {
        let Some(entry) = self.entries.get_mut(id) else {
            return Taken::Stray("an item that comes late, or belongs to no list");
        };
        let Some(items) = &mut entry.items else {
            return Taken::Stray("an item before its list has begun");
        };
        let list = block.get("EventList").unwrap_or_default();
        if list.eq_ignore_ascii_case("Complete") || list.eq_ignore_ascii_case("cancelled") {
            if list.eq_ignore_ascii_case("cancelled") {
                entry.spoiled.get_or_insert("Asterisk cancelled it");
            } else if block.is_ambiguous() {
                entry.spoiled.get_or_insert("its end cannot be read");
            } else if block.get("ListItems").and_then(|count| count.parse().ok()) != Some(items.len()) {
                entry.spoiled.get_or_insert("its end tells another number of items");
            }
            self.open.take_if(|open| open == id);
            self.finish(id);
        } else if block.is_ambiguous() {
            entry.spoiled.get_or_insert("an item of it is ambiguous");
        } else if items.len() == MAX_LIST_ITEMS {
            entry.spoiled.get_or_insert("it is longer than anything that is expected");
        } else if entry.spoiled.is_none() {
            items.push(block);
        }
        Taken::Answer
    }

    fn finish(&mut self, id: &str) {
        let Some(entry) = self.entries.remove(id) else { return };
        let whole = match entry.spoiled {
            Some(reason) => Err(self.incomplete(entry.action, reason)),
            None => Ok(entry.items.unwrap_or_default()),
        };
        if let Waiting::List(answer) = entry.waiting {
            // The caller may have gone.
            let _ = answer.send(whole);
        }
    }

    fn unanswered(&self, action: &str, reason: &str) -> AmiError {
        AmiError::Unanswered {
            server: self.server.clone(),
            action: action.to_owned(),
            reason: reason.to_owned(),
        }
    }

    fn incomplete(&self, action: &str, reason: &str) -> AmiError {
        AmiError::Incomplete {
            server: self.server.clone(),
            action: action.to_owned(),
            reason: reason.to_owned(),
        }
    }
}

/// Creates an `ActionID`: 64 random bits, so that no caller can forge an answer, and a number, so that each is unique.
pub(super) fn action_id(number: u64) -> String {
    format!("{:016x}-{number}", random_below(u64::MAX))
}

#[cfg(test)]
#[path = "pending_tests.rs"]
mod tests;
