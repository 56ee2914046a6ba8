//! Tests of the assignment of answers and of the completeness of lists.

use std::time::Duration;

use super::*;

fn block(text: &str) -> Message {
    let fields = text.lines().map(|line| {
        let (name, value) = line.split_once(": ").unwrap_or(("", line));
        (name.trim().to_owned(), value.to_owned())
    });
    Message::new(fields.collect())
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(3)
}

struct Asked<T> {
    id: String,
    answer: oneshot::Receiver<Result<T, AmiError>>,
}

impl<T> Asked<T> {
    fn answer(&mut self) -> Result<T, AmiError> {
        self.answer.try_recv().expect("answered")
    }

    fn waits(&mut self) -> bool {
        matches!(self.answer.try_recv(), Err(oneshot::error::TryRecvError::Empty))
    }
}

fn one(pending: &mut Pending) -> Asked<Message> {
    let (sender, answer) = oneshot::channel();
    Asked { id: pending.add("Getvar", soon(), Waiting::One(sender)), answer }
}

fn list(pending: &mut Pending) -> Asked<Vec<Message>> {
    let (sender, answer) = oneshot::channel();
    Asked { id: pending.add("CoreShowChannels", soon(), Waiting::List(sender)), answer }
}

/// A list as Asterisk writes it: start, two items, end.
fn written(id: &str) -> Vec<Message> {
    vec![
        block(&format!("Response: Success\nActionID: {id}\nEventList: start\nMessage: Channels will follow")),
        block(&format!("Event: CoreShowChannel\nActionID: {id}\nChannel: PJSIP/a-1")),
        block(&format!("Event: CoreShowChannel\nActionID: {id}\nChannel: PJSIP/b-2")),
        block(&format!("Event: CoreShowChannelsComplete\nActionID: {id}\nEventList: Complete\nListItems: 2")),
    ]
}

/// Returns the result of a list after its text was changed.
fn told(change: impl FnOnce(&str, &mut Vec<Message>)) -> Result<Vec<Message>, AmiError> {
    let mut pending = Pending::new("pbx1");
    let mut asked = list(&mut pending);
    let mut blocks = written(&asked.id);
    change(&asked.id, &mut blocks);
    for block in blocks {
        pending.take(block);
    }
    asked.answer()
}

fn is_incomplete<T>(answer: &Result<T, AmiError>) -> bool {
    matches!(answer, Err(AmiError::Incomplete { .. }))
}

#[test]
fn answers_find_their_actions_whatever_their_order() {
    let mut pending = Pending::new("pbx1");
    let (mut first, mut second) = (one(&mut pending), one(&mut pending));
    assert_ne!(first.id, second.id);
    let answer = block(&format!("Response: Success\nActionID: {}\nValue: 2", second.id));
    assert_eq!(pending.take(answer), Taken::Answer);
    assert!(first.waits());
    assert_eq!(second.answer().unwrap().get("Value"), Some("2"));
    pending.take(block(&format!("Response: Error\nActionID: {}\nMessage: No such channel", first.id)));
    assert!(first.answer().unwrap_err().is_absent());
    assert_eq!(pending.len(), 0);
}

#[test]
fn an_answer_that_nobody_waits_for_goes_to_nobody() {
    let mut pending = Pending::new("pbx1");
    let mut asked = one(&mut pending);
    for stray in [
        "Response: Error\nMessage: Failed to parse message: line too long".to_owned(),
        "Response: Success\nActionID: 0123456789abcdef-1\nValue: planted".to_owned(),
    ] {
        assert!(matches!(pending.take(block(&stray)), Taken::Stray(_)), "{stray}");
    }
    assert!(asked.waits());
    let answer = format!("Response: Success\nActionID: {}\nValue: 1", asked.id);
    assert_eq!(pending.take(block(&answer)), Taken::Answer);
    // The same answer again.
    assert!(matches!(pending.take(block(&answer)), Taken::Stray(_)));
    assert_eq!(asked.answer().unwrap().get("Value"), Some("1"));
}

#[test]
fn an_answer_in_which_a_line_was_planted_is_none() {
    let mut pending = Pending::new("pbx1");
    let mut asked = one(&mut pending);
    pending.take(block(&format!("Response: Success\nActionID: {}\nValue: a\nValue: b", asked.id)));
    assert!(is_incomplete(&asked.answer()));
}

#[test]
fn an_action_without_an_answer_ends_at_its_deadline_and_a_later_answer_is_a_stray() {
    let mut pending = Pending::new("pbx1");
    let mut asked = one(&mut pending);
    assert_eq!(pending.expire(Instant::now()), 0);
    assert_eq!(pending.expire(soon()), 1);
    assert!(matches!(asked.answer(), Err(AmiError::Unanswered { .. })));
    let late = block(&format!("Response: Success\nActionID: {}", asked.id));
    assert!(matches!(pending.take(late), Taken::Stray(_)));
}

#[test]
fn what_was_sent_when_the_connection_is_lost_may_or_may_not_have_been_done() {
    let mut pending = Pending::new("pbx1");
    let (mut action, mut channels) = (one(&mut pending), list(&mut pending));
    assert_eq!(pending.lose("the server closed the connection"), 2);
    assert!(matches!(action.answer(), Err(AmiError::Unanswered { .. })));
    assert!(matches!(channels.answer(), Err(AmiError::Unanswered { .. })));
}

#[test]
fn a_whole_list_is_given_without_its_begin_and_its_end() {
    let items = told(|_, _| {}).unwrap();
    let channels: Vec<_> = items.iter().filter_map(|item| item.get("Channel")).collect();
    assert_eq!(channels, ["PJSIP/a-1", "PJSIP/b-2"]);
}

#[test]
fn a_list_with_another_number_of_items_proves_nothing() {
    assert!(is_incomplete(&told(|_, blocks| drop(blocks.remove(1)))));
    assert!(is_incomplete(&told(|_, blocks| blocks.insert(1, blocks[1].clone()))));
    assert!(is_incomplete(&told(|id, blocks| {
        let end = format!("Event: CoreShowChannelsComplete\nActionID: {id}\nEventList: Complete");
        blocks[3] = block(&end);
    })));
    assert!(is_incomplete(&told(|id, blocks| {
        blocks[3] = block(&format!("Event: X\nActionID: {id}\nEventList: cancelled\nListItems: 2"));
    })));
}

#[test]
fn a_list_with_something_planted_in_it_proves_nothing() {
    // A caller id with an empty line splits an item and begins a block of its own.
    for planted in [
        "Event: Hangup\nUniqueid: evil.1",
        "CallerIDName: <unknown>\nUniqueid: real.1",
        "Response: Success\nActionID: 0123456789abcdef-1",
        "Response: Error\nMessage: planted",
    ] {
        let answer = told(|_, blocks| blocks.insert(2, block(planted)));
        assert!(is_incomplete(&answer), "{planted}");
    }
    // A caller id with a line end adds a second name to an item.
    let answer = told(|id, blocks| {
        let item = format!("Event: CoreShowChannel\nActionID: {id}\nUniqueid: evil.1\nUniqueid: real.1");
        blocks[1] = block(&item);
    });
    assert!(is_incomplete(&answer));
    let answer = told(|id, blocks| {
        blocks[1] = block(&format!("Event: CoreShowChannel\nActionID: {id}\nno colon here"));
    });
    assert!(is_incomplete(&answer));
}

#[test]
fn a_list_that_is_answered_twice_or_in_which_a_block_was_dropped_proves_nothing() {
    assert!(is_incomplete(&told(|_, blocks| blocks.insert(1, blocks[0].clone()))));
    let mut pending = Pending::new("pbx1");
    let mut asked = list(&mut pending);
    for (at, block) in written(&asked.id).into_iter().enumerate() {
        pending.take(block);
        if at == 1 {
            pending.spoil("a block was dropped");
        }
    }
    assert!(is_incomplete(&asked.answer()));
}

#[test]
fn an_answer_without_a_list_is_no_empty_list() {
    let mut pending = Pending::new("pbx1");
    let mut asked = list(&mut pending);
    pending.take(block(&format!("Response: Success\nActionID: {}\nMessage: fine", asked.id)));
    assert!(is_incomplete(&asked.answer()));
}

#[test]
fn a_list_that_never_ends_holds_a_bounded_number_of_items() {
    let mut pending = Pending::new("pbx1");
    let mut asked = list(&mut pending);
    pending.take(written(&asked.id).remove(0));
    let item = written(&asked.id).remove(1);
    for _ in 0..=MAX_LIST_ITEMS {
        pending.take(item.clone());
    }
    assert!(asked.waits());
    let end =
        format!("Event: X\nActionID: {}\nEventList: Complete\nListItems: {}", asked.id, MAX_LIST_ITEMS + 1);
    pending.take(block(&end));
    assert!(is_incomplete(&asked.answer()));
}

#[test]
fn a_list_that_was_too_late_does_not_spoil_the_next_one() {
    let mut pending = Pending::new("pbx1");
    let mut late = list(&mut pending);
    let blocks = written(&late.id);
    pending.take(blocks[0].clone());
    pending.expire(soon());
    assert!(matches!(late.answer(), Err(AmiError::Unanswered { .. })));
    for block in &blocks[1..] {
        assert!(matches!(pending.take(block.clone()), Taken::Stray(_)));
    }
    let mut next = list(&mut pending);
    for block in written(&next.id) {
        pending.take(block);
    }
    assert_eq!(next.answer().unwrap().len(), 2);
}

#[test]
fn an_event_stays_an_event_and_rubbish_is_malformed() {
    let mut pending = Pending::new("pbx1");
    assert!(matches!(pending.take(block("Event: Hangup\nUniqueid: 1")), Taken::Event(_)));
    assert_eq!(pending.take(block("Uniqueid: 1\nEvent: Hangup")), Taken::Malformed);
    assert_eq!(pending.take(block("no colon here")), Taken::Malformed);
    // An event that claims to belong to an action that was never sent.
    assert!(matches!(pending.take(block("Event: Hangup\nActionID: 1\nUniqueid: 1")), Taken::Stray(_)));
}
