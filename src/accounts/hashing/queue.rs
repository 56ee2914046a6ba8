//! A bounded queue, served round robin over its owners and over the addresses of one owner.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

/// Bounds of a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Maximum waiting items of one owner.
    pub(super) per_owner: usize,
    /// Maximum waiting items of all owners.
    pub(super) total: usize,
}

/// Owner and address of an item. Items without an address share one flow of their owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Flow<O> {
    pub(super) owner: O,
    pub(super) address: Option<IpAddr>,
}

/// A push that displaced nothing, displaced an item of a longer flow, or was refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pushed<T> {
    Queued,
    /// Queued in place of this item.
    Displaced(T),
    /// The queue is full, and no flow has more items than the new one's.
    Refused(T),
}

#[derive(Debug)]
struct Waiting<O, T> {
    flow: Flow<O>,
    item: T,
}

/// Round robin over owners, then over the owner's addresses, then by arrival.
///
/// Each owner and each flow has the number of the pop that served it last (or of its arrival); the lowest is next. The
/// queue holds a few hundred items at most, so it is searched without an index.
#[derive(Debug)]
pub(super) struct FairQueue<O, T> {
    bounds: Bounds,
    /// In the order of arrival.
    waiting: Vec<Waiting<O, T>>,
    pops: u64,
    owners: HashMap<O, u64>,
    flows: HashMap<Flow<O>, u64>,
}

impl<O: Copy + Eq + Hash, T> FairQueue<O, T> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, waiting: Vec::new(), pops: 0, owners: HashMap::new(), flows: HashMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Queues an item. If a bound is reached, `abandoned` items are removed first.
    pub(super) fn push(&mut self, flow: Flow<O>, item: T, abandoned: impl Fn(&T) -> bool) -> Pushed<T> {
        let Bounds { per_owner, total } = self.bounds;
        if self.len() >= total || self.count(|other| other.owner == flow.owner) >= per_owner {
            self.waiting.retain(|waiting| !abandoned(&waiting.item));
            self.forget_absent();
        }
        let of_owner = self.count(|other| other.owner == flow.owner);
        let displaced = if of_owner >= per_owner {
            let of_flow = self.count(|other| *other == flow);
            match self.longest(|other| (other.owner == flow.owner).then_some(*other)) {
                Some((longest, count)) if count > of_flow + 1 => self.remove_last(longest),
                _ => return Pushed::Refused(item),
            }
        } else if self.len() >= total {
            match self.longest(|other| Some(other.owner)) {
                Some((owner, count)) if count > of_owner + 1 => self
                    .longest(|other| (other.owner == owner).then_some(*other))
                    .and_then(|(longest, _)| self.remove_last(longest)),
                _ => return Pushed::Refused(item),
            }
        } else {
            None
        };
        self.owners.entry(flow.owner).or_insert(self.pops);
        self.flows.entry(flow).or_insert(self.pops);
        self.waiting.push(Waiting { flow, item });
        displaced.map_or(Pushed::Queued, Pushed::Displaced)
    }

    /// Removes and returns the next item.
    pub(super) fn pop(&mut self) -> Option<T> {
        let served = |flow: &Flow<O>| (self.owners.get(&flow.owner), self.flows.get(flow));
        // Among equal items `min_by_key` returns the first, which arrived first.
        let (index, _) = self.waiting.iter().enumerate().min_by_key(|(_, waiting)| served(&waiting.flow))?;
        let Waiting { flow, item } = self.waiting.remove(index);
        self.pops += 1;
        self.owners.insert(flow.owner, self.pops);
        self.flows.insert(flow, self.pops);
        self.forget_absent();
        Some(item)
    }

    fn count(&self, matches: impl Fn(&Flow<O>) -> bool) -> usize {
        self.waiting.iter().filter(|waiting| matches(&waiting.flow)).count()
    }

    /// Returns the group with most items, and their number.
    fn longest<G: Copy + Eq + Hash>(&self, group: impl Fn(&Flow<O>) -> Option<G>) -> Option<(G, usize)> {
        let mut counts: HashMap<G, usize> = HashMap::new();
        for group in self.waiting.iter().filter_map(|waiting| group(&waiting.flow)) {
            *counts.entry(group).or_default() += 1;
        }
        counts.into_iter().max_by_key(|(_, count)| *count)
    }

    fn remove_last(&mut self, flow: Flow<O>) -> Option<T> {
        let index = self.waiting.iter().rposition(|waiting| waiting.flow == flow)?;
        Some(self.waiting.remove(index).item)
    }

    /// Removes the state of owners and flows without a waiting item: both maps are as bounded as the queue.
    fn forget_absent(&mut self) {
        let waiting = &self.waiting;
        self.owners.retain(|owner, _| waiting.iter().any(|waiting| waiting.flow.owner == *owner));
        self.flows.retain(|flow, _| waiting.iter().any(|waiting| waiting.flow == *flow));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(owner: char) -> Flow<char> {
        Flow { owner, address: None }
    }

    fn at(owner: char, last: u8) -> Flow<char> {
        Flow { owner, address: Some(IpAddr::from([192, 0, 2, last])) }
    }

    fn push(queue: &mut FairQueue<char, u32>, flow: Flow<char>, item: u32) -> Pushed<u32> {
        queue.push(flow, item, |_| false)
    }

    #[test]
    fn one_item_is_served_after_at_most_one_of_two_hundred_of_another_owner() {
        let mut queue = FairQueue::new(Bounds { per_owner: 256, total: 256 });
        for item in 0..200 {
            assert_eq!(push(&mut queue, of('a'), item), Pushed::Queued);
        }
        assert_eq!((queue.pop(), queue.pop()), (Some(0), Some(1)));
        push(&mut queue, of('b'), 1_000);
        assert_eq!((queue.pop(), queue.pop()), (Some(2), Some(1_000)));
        assert_eq!(queue.len(), 197);
    }

    #[test]
    fn owners_who_come_one_by_one_do_not_starve_the_one_who_waits() {
        let mut queue = FairQueue::new(Bounds { per_owner: 8, total: 8 });
        push(&mut queue, of('a'), 1);
        push(&mut queue, of('a'), 2);
        let mut popped = Vec::new();
        for owner in ['b', 'c', 'd', 'e'] {
            push(&mut queue, of(owner), 100 + u32::from(owner));
            popped.push(queue.pop().unwrap());
        }
        assert_eq!(popped[0], 1);
        assert!(popped.contains(&2), "{popped:?}");
    }

    #[test]
    fn addresses_of_one_owner_are_served_in_turn() {
        let mut queue = FairQueue::new(Bounds { per_owner: 16, total: 16 });
        for item in 0..10 {
            push(&mut queue, at('a', 1), item);
        }
        push(&mut queue, at('a', 2), 100);
        assert_eq!((queue.pop(), queue.pop()), (Some(0), Some(100)));
    }

    #[test]
    fn a_full_queue_takes_an_owner_with_fewer_items_in_place_of_the_longest_ones_last() {
        let mut queue = FairQueue::new(Bounds { per_owner: 4, total: 6 });
        for item in 0..4 {
            push(&mut queue, of('a'), item);
        }
        assert_eq!(push(&mut queue, of('a'), 4), Pushed::Refused(4));
        push(&mut queue, of('b'), 10);
        push(&mut queue, of('b'), 11);
        assert_eq!(push(&mut queue, of('c'), 20), Pushed::Displaced(3));
        assert_eq!(push(&mut queue, of('c'), 21), Pushed::Displaced(2));
        // Each owner has two items now: a third of one is refused, the first of another is queued.
        assert_eq!(push(&mut queue, of('b'), 12), Pushed::Refused(12));
        assert!(matches!(push(&mut queue, of('d'), 30), Pushed::Displaced(1 | 11 | 21)));
        assert_eq!(queue.len(), 6);
    }

    #[test]
    fn a_full_owner_takes_another_address_in_place_of_the_longest_ones_last() {
        let mut queue = FairQueue::new(Bounds { per_owner: 3, total: 9 });
        for item in 0..3 {
            push(&mut queue, at('a', 1), item);
        }
        assert_eq!(push(&mut queue, at('a', 1), 3), Pushed::Refused(3));
        assert_eq!(push(&mut queue, at('a', 2), 4), Pushed::Displaced(2));
    }

    #[test]
    fn abandoned_items_make_room() {
        let mut queue = FairQueue::new(Bounds { per_owner: 2, total: 2 });
        push(&mut queue, of('a'), 1);
        push(&mut queue, of('a'), 2);
        assert_eq!(queue.push(of('a'), 3, |item| *item == 1), Pushed::Queued);
        assert_eq!((queue.pop(), queue.pop(), queue.pop()), (Some(2), Some(3), None));
        assert!(queue.owners.is_empty() && queue.flows.is_empty());
    }
}
