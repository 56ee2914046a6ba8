//! Decides which connections a listener keeps, within a total limit and a limit per address.
//!
//! A connection is busy from a request's head to the end of its answer, and waits otherwise: for a handshake, for a
//! head, for the next request. Where a new connection finds no free seat, the connection that has waited longest is
//! closed for it: of its own address where that has reached its share, else of the address with most connections. The
//! new connection is refused where all are busy.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use tollgate_agi::accept::network;

/// Maximum closed connections whose descriptors may still be open beyond the cap: a task must be scheduled to close
/// them.
pub(crate) const CLOSING: usize = 32;

/// Connection caps of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Maximum concurrent connections in total.
    pub connections: usize,
    /// Maximum concurrent connections per address; for IPv6 per /64.
    pub per_address: usize,
}

/// Reason why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoSeat {
    /// All connections are busy.
    Full,
    /// All connections of its address are busy.
    Share,
}

/// Value of `waiting_since` while a connection is busy.
const BUSY: u64 = 0;

#[derive(Debug)]
struct Occupant {
    network: IpAddr,
    /// Start of its wait, in milliseconds on the seats' clock.
    waiting_since: AtomicU64,
    evicted: CancellationToken,
}

#[derive(Debug, Default)]
struct Occupied {
    next_id: u64,
    /// Connections that were not evicted.
    seats: HashMap<u64, Arc<Occupant>>,
    of: HashMap<IpAddr, usize>,
    /// Number of connections with open descriptors, evicted ones included.
    open: usize,
}

/// The seats of a listener.
#[derive(Debug)]
pub(super) struct Seats {
    caps: Caps,
    began: Instant,
    occupied: Mutex<Occupied>,
    evictions: AtomicU64,
}

/// A connection's seat, freed on drop.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    id: u64,
    occupant: Arc<Occupant>,
}

impl Seats {
    pub(super) fn new(caps: Caps) -> Arc<Self> {
        let (began, occupied, evictions) = (Instant::now(), Mutex::default(), AtomicU64::new(0));
        Arc::new(Self { caps, began, occupied, evictions })
    }

    fn lock(&self) -> MutexGuard<'_, Occupied> {
        self.occupied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// Returns the number of open connections.
    pub(super) fn open(&self) -> usize {
        self.lock().open
    }

    /// Returns the number of connections closed in favour of others.
    pub(super) fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }

    /// Allocates a seat for a connection from this address; `shares` exempts an address with many legitimate
    /// connections, such as a proxy.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr, shares: bool) -> Result<Seat, NoSeat> {
        let network = network(address);
        let mut occupied = self.lock();
        let own = occupied.of.get(&network).copied().unwrap_or_default();
        if !shares && own >= self.caps.per_address {
            let victim = occupied.longest_waiting(|occupant| (occupant.network == network).then_some(0));
            self.evict(&mut occupied, victim.ok_or(NoSeat::Share)?);
        }
        if occupied.seats.len() >= self.caps.connections {
            let victim = occupied.longest_waiting(|occupant| occupied.of.get(&occupant.network).copied());
            self.evict(&mut occupied, victim.ok_or(NoSeat::Full)?);
        }
        if occupied.open >= self.caps.connections + CLOSING {
            return Err(NoSeat::Full);
        }
        let id = occupied.next_id;
        occupied.next_id += 1;
        let occupant = Arc::new(Occupant {
            network,
            waiting_since: AtomicU64::new(self.now()),
            evicted: CancellationToken::new(),
        });
        occupied.seats.insert(id, Arc::clone(&occupant));
        *occupied.of.entry(network).or_default() += 1;
        occupied.open += 1;
        Ok(Seat { seats: Arc::clone(self), id, occupant })
    }

    fn evict(&self, occupied: &mut Occupied, id: u64) {
        if let Some(occupant) = occupied.remove(id) {
            occupant.evicted.cancel();
            self.evictions.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Occupied {
    /// Finds the connection that has waited longest among those with the highest rank.
    fn longest_waiting(&self, rank: impl Fn(&Occupant) -> Option<usize>) -> Option<u64> {
        let waiting = self.seats.iter().filter_map(|(id, occupant)| {
            let since = occupant.waiting_since.load(Ordering::Relaxed);
            (since != BUSY).then_some(())?;
            Some((rank(occupant)?, std::cmp::Reverse((since, *id))))
        });
        waiting.max().map(|(_, std::cmp::Reverse((_, id)))| id)
    }

    fn remove(&mut self, id: u64) -> Option<Arc<Occupant>> {
        let occupant = self.seats.remove(&id)?;
        if let Some(own) = self.of.get_mut(&occupant.network) {
            *own -= 1;
            if *own == 0 {
                self.of.remove(&occupant.network);
            }
        }
        Some(occupant)
    }
}

impl Seat {
    /// Marks the connection busy: a request is being answered.
    pub(super) fn set_busy(&self) {
        self.occupant.waiting_since.store(BUSY, Ordering::Relaxed);
    }

    /// Marks the connection waiting: the answer is complete.
    pub(super) fn set_waiting(&self) {
        self.occupant.waiting_since.store(self.seats.now(), Ordering::Relaxed);
    }

    /// Completes once the connection must be closed in favour of another.
    pub(super) async fn evicted(&self) {
        self.occupant.evicted.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut occupied = self.seats.lock();
        occupied.remove(self.id);
        occupied.open = occupied.open.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(connections: usize, per_address: usize) -> Arc<Seats> {
        Seats::new(Caps { connections, per_address })
    }

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn is_evicted(seat: &Seat) -> bool {
        seat.occupant.evicted.is_cancelled()
    }

    #[test]
    fn an_address_with_its_share_loses_its_own_longest_waiting_connection() {
        let seats = seats(10, 2);
        let other = seats.take(address(2), false).unwrap();
        let first = seats.take(address(1), false).unwrap();
        let second = seats.take(address(1), false).unwrap();
        let third = seats.take(address(1), false).unwrap();
        assert!(is_evicted(&first) && !is_evicted(&second) && !is_evicted(&third) && !is_evicted(&other));
        second.set_busy();
        third.set_busy();
        assert_eq!(seats.take(address(1), false).unwrap_err(), NoSeat::Share);
        second.set_waiting();
        assert!(seats.take(address(1), false).is_ok());
        assert!(is_evicted(&second));
        assert_eq!(seats.evictions(), 2);
    }

    #[test]
    fn a_full_listener_closes_the_longest_waiting_of_the_address_with_most() {
        let seats = seats(4, 4);
        let lone = seats.take(address(2), false).unwrap();
        let many: Vec<Seat> = (0..3).map(|_| seats.take(address(1), false).unwrap()).collect();
        many[0].set_busy();
        let _newcomer = seats.take(address(3), false).unwrap();
        assert_eq!(many.iter().map(is_evicted).collect::<Vec<_>>(), [false, true, false]);
        assert!(!is_evicted(&lone));
    }

    #[test]
    fn a_listener_whose_connections_are_all_busy_refuses() {
        let seats = seats(2, 2);
        let busy = [seats.take(address(1), false).unwrap(), seats.take(address(2), false).unwrap()];
        for seat in &busy {
            seat.set_busy();
        }
        assert_eq!(seats.take(address(3), false).unwrap_err(), NoSeat::Full);
        drop(busy);
        assert!(seats.take(address(3), false).is_ok());
        let occupied = seats.lock();
        assert!(occupied.seats.is_empty() && occupied.of.is_empty() && occupied.open == 0);
    }

    #[test]
    fn a_proxy_has_more_than_a_share() {
        let seats = seats(8, 2);
        let held: Vec<Seat> = (0..8).map(|_| seats.take(address(1), true).unwrap()).collect();
        assert!(!held.iter().any(is_evicted));
        assert!(seats.take(address(2), false).is_ok());
        assert!(is_evicted(&held[0]));
    }

    #[test]
    fn descriptors_of_closing_connections_are_bounded() {
        let seats = seats(1, 1);
        let slow_to_close: Vec<Seat> =
            (0..=CLOSING).map(|_| seats.take(address(1), false).unwrap()).collect();
        assert_eq!(seats.take(address(1), false).unwrap_err(), NoSeat::Full);
        assert_eq!(seats.open(), 1 + CLOSING);
        drop(slow_to_close);
        assert!(seats.take(address(1), false).is_ok());
    }
}
