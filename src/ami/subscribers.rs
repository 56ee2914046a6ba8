//! The subscribers of a link, and the handling of events that a slow subscriber has no room for.
//!
//! Reading from Asterisk never waits for a subscriber: Asterisk ends the session of a slow reader. A full queue costs a
//! subscriber events, and it is notified in order: first the number missed, then the state of the link.

use std::sync::Arc;

use tokio::sync::mpsc::{self, error::TrySendError};

use super::metrics::LinkMetrics;
use super::{Event, Session};

/// A notice to a subscriber.
#[derive(Debug, Clone)]
pub enum LinkEvent {
    /// Logged in. Earlier events are unknown: re-read the full state.
    Up(Arc<Session>),
    /// An event.
    Event(Arc<Event>),
    /// The subscriber was slow and this many events were dropped: re-read the full state. If the link's state changed
    /// meanwhile, the current state follows.
    Missed(u64),
    /// The link is down.
    Down,
}

/// A subscriber's queue.
#[derive(Debug)]
struct Subscriber {
    wants: fn(&Event) -> bool,
    queue: mpsc::Sender<LinkEvent>,
    /// Number of dropped events not yet reported.
    missed: u64,
    /// State of the link, if its notice was among those dropped.
    state: Option<LinkEvent>,
}

/// Minimum capacity of a queue: a missed count and the state after it.
const LEAST_DEPTH: usize = 2;

impl Subscriber {
    /// Delivers pending notices; reports whether none are left. An error means that the subscriber is gone.
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

    /// Delivers one notice or marks it as pending; reports whether the subscriber still exists.
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
        // The current state of the link may be delayed but is never dropped: only an older undelivered state is.
        let is_state = matches!(refused, LinkEvent::Up(_) | LinkEvent::Down);
        if !is_state || self.state.replace(refused).is_some() {
            self.missed += 1;
            LinkMetrics::count(&metrics.missed);
        }
        true
    }
}

/// All subscribers of one link.
#[derive(Debug, Default)]
pub(super) struct Subscribers(Vec<Subscriber>);

impl Subscribers {
    /// Adds a subscriber with capacity for at least two notices; `session` if the link is up.
    pub(super) fn add(
        &mut self,
        depth: usize,
        wants: fn(&Event) -> bool,
        session: Option<Arc<Session>>,
    ) -> mpsc::Receiver<LinkEvent> {
        let (queue, events) = mpsc::channel(depth.max(LEAST_DEPTH));
        if let Some(session) = session {
            // The new queue is empty, so there is room.
            let _ = queue.try_send(LinkEvent::Up(session));
        }
        self.0.push(Subscriber { wants, queue, missed: 0, state: None });
        events
    }

    /// Notifies all subscribers of the current state of the link.
    pub(super) fn tell_state(&mut self, event: &LinkEvent, metrics: &LinkMetrics) {
        self.0.retain_mut(|subscriber| subscriber.tell(event.clone(), metrics));
    }

    /// Delivers an event to the subscribers that want it.
    pub(super) fn tell(&mut self, event: Event, metrics: &LinkMetrics) {
        let event = Arc::new(event);
        self.0.retain_mut(|subscriber| {
            !(subscriber.wants)(&event) || subscriber.tell(LinkEvent::Event(Arc::clone(&event)), metrics)
        });
    }

    /// Delivers pending notices where there is room again.
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
        /// For any order of events, states and reads: nothing is lost without being counted, and the last state
        /// delivered is the latest one.
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
