//! Who listens, and what becomes of what a slow listener has no room for.
//!
//! Reading from Asterisk never waits for a listener: Asterisk ends the session of a reader that is late. A listener's
//! queue that is full costs it events, and it is told so, in order: how many are missing, then how the link is.

use std::sync::Arc;

use tokio::sync::mpsc::{self, error::TrySendError};

use super::metrics::LinkMetrics;
use super::{Event, Session};

/// What a subscriber gets, in order.
#[derive(Debug, Clone)]
pub enum LinkEvent {
    /// Logged in. What happened before is not known: look at everything anew.
    Up(Arc<Session>),
    /// An event.
    Event(Arc<Event>),
    /// The subscriber was slow and this many events were dropped: look at everything anew. If the link went or came back
    /// meanwhile, how it is now comes next.
    Missed(u64),
    /// The link is away.
    Down,
}

/// A subscriber's queue.
#[derive(Debug)]
struct Subscriber {
    wants: fn(&Event) -> bool,
    queue: mpsc::Sender<LinkEvent>,
    /// Dropped and not told yet.
    missed: u64,
    /// How the link is, where that was among what was dropped.
    state: Option<LinkEvent>,
}

/// The least room of a queue: a missed count and the state behind it.
const LEAST_DEPTH: usize = 2;

impl Subscriber {
    /// Tells what is owed; whether nothing is owed any more. An error is a listener that is gone.
    fn settle(&mut self) -> Result<bool, mpsc::error::SendError<()>> {
        let room = usize::from(self.missed > 0) + usize::from(self.state.is_some());
        if room == 0 {
            return Ok(true);
        }
        match self.queue.try_reserve_many(room) {
            Ok(permits) => {
                let missed = (self.missed > 0).then_some(LinkEvent::Missed(self.missed));
                for (permit, event) in permits.zip(missed.into_iter().chain(self.state.take())) {
                    permit.send(event);
                }
                self.missed = 0;
                Ok(true)
            }
            Err(TrySendError::Full(())) => Ok(false),
            Err(TrySendError::Closed(())) => Err(mpsc::error::SendError(())),
        }
    }

    /// Tells one thing, or notes that it is owed; whether the listener is still there.
    fn tell(&mut self, event: LinkEvent, metrics: &LinkMetrics) -> bool {
        let Ok(settled) = self.settle() else { return false };
        let refused = if settled {
            match self.queue.try_send(event) {
                Ok(()) => return true,
                Err(TrySendError::Closed(_)) => return false,
                Err(TrySendError::Full(event)) => event,
            }
        } else {
            event
        };
        // How the link is now is told late, never dropped: only an older state that was not told yet is.
        let is_state = matches!(refused, LinkEvent::Up(_) | LinkEvent::Down);
        if !is_state || self.state.replace(refused).is_some() {
            self.missed += 1;
            LinkMetrics::count(&metrics.missed);
        }
        true
    }
}

/// All of one link.
#[derive(Debug, Default)]
pub(super) struct Subscribers(Vec<Subscriber>);

impl Subscribers {
    /// A new one, with room for at least two; `session` if the link is up.
    pub(super) fn add(
        &mut self,
        depth: usize,
        wants: fn(&Event) -> bool,
        session: Option<Arc<Session>>,
    ) -> mpsc::Receiver<LinkEvent> {
        let (queue, events) = mpsc::channel(depth.max(LEAST_DEPTH));
        if let Some(session) = session {
            // The queue is empty: there is room.
            let _ = queue.try_send(LinkEvent::Up(session));
        }
        self.0.push(Subscriber { wants, queue, missed: 0, state: None });
        events
    }

    /// Tells all of them how the link is now.
    pub(super) fn tell_state(&mut self, event: &LinkEvent, metrics: &LinkMetrics) {
        self.0.retain_mut(|subscriber| subscriber.tell(event.clone(), metrics));
    }

    /// Tells those that want it.
    pub(super) fn tell(&mut self, event: Event, metrics: &LinkMetrics) {
        let event = Arc::new(event);
        self.0.retain_mut(|subscriber| {
            !(subscriber.wants)(&event) || subscriber.tell(LinkEvent::Event(Arc::clone(&event)), metrics)
        });
    }

    /// Tells what is owed where there is room by now.
    pub(super) fn settle(&mut self) {
        self.0.retain_mut(|subscriber| subscriber.settle().is_ok());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn session(number: u64) -> Arc<Session> {
        Arc::new(Session { number, started: String::new(), uptime_seconds: 0, version: String::new() })
    }

    fn drain(events: &mut mpsc::Receiver<LinkEvent>) -> Vec<String> {
        std::iter::from_fn(|| events.try_recv().ok())
            .map(|event| match event {
                LinkEvent::Up(session) => format!("up {}", session.number),
                LinkEvent::Event(_) => "event".to_owned(),
                LinkEvent::Missed(count) => format!("missed {count}"),
                LinkEvent::Down => "down".to_owned(),
            })
            .collect()
    }

    #[test]
    fn who_comes_late_is_told_that_the_link_is_up() {
        let mut all = Subscribers::default();
        let mut events = all.add(4, |_| true, Some(session(3)));
        assert_eq!(drain(&mut events), ["up 3"]);
    }

    #[test]
    fn what_there_was_no_room_for_is_counted_before_the_next_event() {
        let (mut all, metrics) = (Subscribers::default(), LinkMetrics::default());
        let mut events = all.add(2, |_| true, None);
        for _ in 0..5 {
            all.tell(Event::Shutdown, &metrics);
        }
        assert_eq!(drain(&mut events), ["event", "event"]);
        all.tell(Event::Shutdown, &metrics);
        assert_eq!(drain(&mut events), ["missed 3", "event"]);
        assert_eq!(metrics.missed.load(std::sync::atomic::Ordering::Relaxed), 3);
    }

    #[test]
    fn a_link_that_went_and_came_while_there_was_no_room_is_told_at_last_without_any_event() {
        let (mut all, metrics) = (Subscribers::default(), LinkMetrics::default());
        let mut events = all.add(2, |_| true, Some(session(1)));
        all.tell(Event::Shutdown, &metrics);
        all.tell_state(&LinkEvent::Down, &metrics);
        all.tell_state(&LinkEvent::Up(session(2)), &metrics);
        all.settle();
        assert_eq!(drain(&mut events), ["up 1", "event"]);
        all.settle();
        assert_eq!(drain(&mut events), ["missed 1", "up 2"]);
        all.settle();
        assert_eq!(drain(&mut events), [""; 0]);
    }

    #[test]
    fn only_what_is_wanted_is_told_and_who_left_is_forgotten() {
        let (mut all, metrics) = (Subscribers::default(), LinkMetrics::default());
        let mut events = all.add(4, |event| matches!(event, Event::FullyBooted), None);
        drop(all.add(4, |_| true, None));
        all.tell(Event::Shutdown, &metrics);
        assert_eq!(all.0.len(), 1);
        all.tell(Event::FullyBooted, &metrics);
        assert_eq!(drain(&mut events), ["event"]);
    }

    proptest! {
        /// Whatever the order of events, states and reading: nothing is lost without being counted, and the last state
        /// told is the last one there was.
        #[test]
        fn all_is_told_or_counted(steps in prop::collection::vec(0_u8..4, 0..200), depth in 2_usize..6) {
            let (mut all, metrics) = (Subscribers::default(), LinkMetrics::default());
            let mut events = all.add(depth, |_| true, None);
            let (mut said, mut heard, mut state) = (0_u64, 0_u64, "none".to_owned());
            let mut last = "none".to_owned();
            let mut hear = |events: &mut mpsc::Receiver<LinkEvent>, last: &mut String| {
                for told in drain(events) {
                    heard += told.strip_prefix("missed ").map_or(1, |count| count.parse().unwrap());
                    if told == "down" || told.starts_with("up") {
                        *last = told;
                    }
                }
                heard
            };
            for (number, step) in (1..).zip(steps) {
                said += u64::from(step > 0);
                match step {
                    0 => {
                        hear(&mut events, &mut last);
                    }
                    1 => {
                        all.tell_state(&LinkEvent::Up(session(number)), &metrics);
                        state = format!("up {number}");
                    }
                    2 => {
                        all.tell_state(&LinkEvent::Down, &metrics);
                        "down".clone_into(&mut state);
                    }
                    _ => all.tell(Event::Shutdown, &metrics),
                }
            }
            hear(&mut events, &mut last);
            all.settle();
            let heard = hear(&mut events, &mut last);
            prop_assert_eq!(last, state);
            prop_assert_eq!(heard, said);
        }
    }
}
