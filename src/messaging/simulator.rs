//! A simulated provider: every message is accepted, none is sent.
//!
//! The last digits of a number decide the outcome:
//!
//! | number ends in | the message |
//! |---|---|
//! | 0001 | is refused |
//! | 0002 | is accepted and fails after `latency_ms` |
//! | 0003 | is not accepted: busy |
//! | 0004 | is accepted without an answer; found by its reference, and delivered |
//! | 0005 | is submitted, without an answer or a receipt ever |
//! | anything else | is accepted and delivered after `latency_ms` |

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connector::{Accepted, Connector, Delivery, Found, Outgoing, Receipt, Receipts, Submitted};
use crate::clock::Clock;

/// References that are remembered: what is asked for is asked for within minutes.
const MAX_REMEMBERED: usize = 10_000;
/// Tries of a receipt that is not recorded.
const MAX_TELLINGS: u32 = 5;
/// The pause that it asks for when it is busy.
const BUSY: Duration = Duration::from_secs(1);

/// The outcome that a number selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Refused,
    Fails,
    Busy,
    Unanswered,
    Lost,
    Delivered,
}

fn fate(to: &str) -> Fate {
    match to.len().checked_sub(4).and_then(|at| to.get(at..)) {
        Some("0001") => Fate::Refused,
        Some("0002") => Fate::Fails,
        Some("0003") => Fate::Busy,
        Some("0004") => Fate::Unanswered,
        Some("0005") => Fate::Lost,
        _ => Fate::Delivered,
    }
}

/// The references that were accepted lately, oldest first.
#[derive(Debug, Default)]
struct Remembered {
    order: VecDeque<String>,
    known: HashSet<String>,
}

impl Remembered {
    fn add(&mut self, reference: &str) {
        if self.known.insert(reference.to_owned()) {
            self.order.push_back(reference.to_owned());
        }
        if self.order.len() > MAX_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// The connector.
pub(super) struct Simulator {
    name: String,
    latency: Duration,
    receipts: Arc<dyn Receipts>,
    clock: Arc<dyn Clock>,
    remembered: Mutex<Remembered>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Simulator {
    /// Creates a simulator of this name whose receipts come after `latency`.
    pub(super) fn new(
        name: &str,
        latency: Duration,
        receipts: Arc<dyn Receipts>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            latency,
            receipts,
            clock,
            remembered: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Its id of a message contains the outcome, so that it can be asked after a restart too.
    fn upstream_id(reference: &str, delivery: Delivery) -> String {
        let fate = if delivery == Delivery::Failed { "failed" } else { "delivered" };
        format!("simulated-{fate}-{reference}")
    }

    fn take(&self, message: &Outgoing, delivery: Delivery) -> Accepted {
        let upstream_id = Self::upstream_id(&message.reference, delivery);
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).add(&message.reference);
        let (name, receipts, clock) =
            (self.name.clone(), Arc::clone(&self.receipts), Arc::clone(&self.clock));
        let (latency, id) = (self.latency, upstream_id.clone());
        let telling = async move {
            for _ in 0..MAX_TELLINGS {
                tokio::time::sleep(latency).await;
                let receipt = receipt(id.clone(), delivery, clock.as_ref());
                match receipts.record(&name, receipt).await {
                    Ok(()) => return,
                    Err(error) => tracing::warn!(provider = %name, "{error}"),
                }
                // Repeated after a while.
                tokio::time::sleep(BUSY).await;
            }
        };
        let stop = self.stop.clone();
        self.tasks.spawn(async move { stop.run_until_cancelled(telling).await });
        Accepted { upstream_ids: vec![upstream_id], cost: None }
    }
}

fn receipt(upstream_id: String, delivery: Delivery, clock: &dyn Clock) -> Receipt {
    let failure = (delivery == Delivery::Failed).then(|| "simulated".to_owned());
    Receipt { upstream_id, delivery, at: Some(clock.now()), failure }
}

impl Connector for Simulator {
    fn submit(&self, message: Outgoing) -> BoxFuture<'_, Submitted> {
        let submitted = match fate(&message.to) {
            Fate::Refused => Submitted::Refused { reason: "the simulator refuses this number".to_owned() },
            Fate::Busy => {
                Submitted::NotAccepted { reason: "the simulator is busy".to_owned(), pause: Some(BUSY) }
            }
            Fate::Lost => Submitted::Unknown {
                reason: "the simulator does not answer".to_owned(),
                accepted: Accepted::default(),
            },
            Fate::Unanswered => {
                self.take(&message, Delivery::Delivered);
                Submitted::Unknown {
                    reason: "the simulator does not answer".to_owned(),
                    accepted: Accepted::default(),
                }
            }
            Fate::Fails => Submitted::Accepted(self.take(&message, Delivery::Failed)),
            Fate::Delivered => Submitted::Accepted(self.take(&message, Delivery::Delivered)),
        };
        futures::future::ready(submitted).boxed()
    }

    fn find<'a>(&'a self, reference: &'a str, to: &'a str) -> BoxFuture<'a, Found> {
        let delivery = if fate(to) == Fate::Fails { Delivery::Failed } else { Delivery::Delivered };
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let found = if remembered.known.contains(reference) {
            let upstream_ids = vec![Self::upstream_id(reference, delivery)];
            Found::Accepted(Accepted { upstream_ids, cost: None })
        } else {
            Found::CannotTell
        };
        futures::future::ready(found).boxed()
    }

    fn fetch_status<'a>(&'a self, upstream_id: &'a str) -> BoxFuture<'a, Option<Receipt>> {
        let delivery = if upstream_id.starts_with("simulated-failed-") {
            Some(Delivery::Failed)
        } else if upstream_id.starts_with("simulated-delivered-") {
            Some(Delivery::Delivered)
        } else {
            None
        };
        let told = delivery.map(|delivery| receipt(upstream_id.to_owned(), delivery, self.clock.as_ref()));
        futures::future::ready(told).boxed()
    }

    fn can_find(&self) -> bool {
        true
    }

    fn needs_polling(&self) -> bool {
        false
    }

    fn is_up(&self) -> bool {
        !self.stop.is_cancelled()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::clock::SystemClock;
    use crate::messaging::connector::{Encoding, NotKept};

    /// Records receipts, except the first ones.
    #[derive(Debug, Default)]
    struct Kept {
        refuses: AtomicU32,
        told: Mutex<Vec<Receipt>>,
    }

    impl Receipts for Kept {
        fn record<'a>(&'a self, provider: &'a str, receipt: Receipt) -> BoxFuture<'a, Result<(), NotKept>> {
            assert_eq!(provider, "sim");
            let refuses =
                self.refuses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            let result = if refuses.is_ok() {
                Err(NotKept("the database is away".to_owned()))
            } else {
                self.told.lock().unwrap().push(receipt);
                Ok(())
            };
            futures::future::ready(result).boxed()
        }
    }

    fn simulator(refuses: u32) -> (Simulator, Arc<Kept>) {
        let kept = Arc::new(Kept { refuses: AtomicU32::new(refuses), ..Kept::default() });
        let receipts: Arc<dyn Receipts> = Arc::clone(&kept) as Arc<dyn Receipts>;
        let clock = Arc::new(SystemClock::new());
        (Simulator::new("sim", Duration::from_millis(20), receipts, clock), kept)
    }

    fn message(reference: &str, to: &str) -> Outgoing {
        Outgoing {
            reference: reference.to_owned(),
            to: to.to_owned(),
            sender_id: None,
            text: "hi".to_owned(),
            encoding: Encoding::Gsm7,
            segments: 1,
        }
    }

    #[tokio::test]
    async fn each_number_does_what_its_end_says() {
        let (simulator, kept) = simulator(1);
        let submit = |reference: &'static str, to: &'static str| simulator.submit(message(reference, to));
        assert!(matches!(submit("a", "49150001").await, Submitted::Refused { .. }));
        assert!(matches!(submit("b", "49150003").await, Submitted::NotAccepted { pause: Some(_), .. }));
        assert!(matches!(submit("c", "49150004").await, Submitted::Unknown { .. }));
        assert!(matches!(submit("d", "49150002").await, Submitted::Accepted(_)));
        let Submitted::Accepted(accepted) = submit("e", "49159999").await else { panic!("taken") };
        assert!(matches!(simulator.find("c", "49150004").await, Found::Accepted(_)));
        assert_eq!(simulator.find("b", "49150003").await, Found::CannotTell);
        assert_eq!(simulator.find("e", "49159999").await, Found::Accepted(accepted.clone()));
        let asked = simulator.fetch_status(&accepted.upstream_ids[0]).await.unwrap();
        assert_eq!(asked.delivery, Delivery::Delivered);

        for _ in 0..500 {
            if kept.told.lock().unwrap().len() == 3 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut told: Vec<_> =
            kept.told.lock().unwrap().iter().map(|told| (told.upstream_id.clone(), told.delivery)).collect();
        told.sort_by(|one, other| one.0.cmp(&other.0));
        let wanted = [
            ("simulated-delivered-c".to_owned(), Delivery::Delivered),
            ("simulated-delivered-e".to_owned(), Delivery::Delivered),
            ("simulated-failed-d".to_owned(), Delivery::Failed),
        ];
        assert_eq!(told, wanted);
        simulator.close().await;
        assert!(!simulator.is_up());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut remembered = Remembered::default();
        for number in 0..MAX_REMEMBERED + 5 {
            remembered.add(&number.to_string());
            remembered.add(&number.to_string());
        }
        assert_eq!((remembered.order.len(), remembered.known.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
        assert!(!remembered.known.contains("4") && remembered.known.contains("5"));
    }
}
