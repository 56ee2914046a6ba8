//! Price lists: what a plan charges by prefix, searched and cut to a page.
//!
//! A deck has hundreds of thousands of prefixes and a page a hundred. What can be searched is laid out when a plan is
//! published ([`PriceList`]), and only the page is priced, by what prices calls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use jiff::Timestamp;
use tollgate_rating::plan::PriceList;
use tollgate_rating::tariff::SoldPrefixes;
use tollgate_rating::{Money, Prefix, PricedTariff};

use super::listing::Listing;
use super::snapshot::Snapshot;

/// The price of a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sold {
    /// The prefix.
    pub prefix: Prefix,
    /// Destination name in the deck.
    pub destination: String,
    /// Of a minute, from the begin of a call.
    pub price_per_minute: Money,
    /// Charged once.
    pub connect_fee: Money,
    /// The first block in seconds; 0 for none.
    pub initial_block: u32,
    /// The further blocks.
    pub increment: u32,
}

/// The prefixes of decks by the tariff's version and the time zone.
type SoldByVersion = HashMap<(i64, Option<Arc<str>>), Weak<SoldPrefixes>>;

/// Makes lists, and keeps what plans that sell the same deck in the same time zone share of them.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// By the tariff's version and the time zone.
    sold: Mutex<SoldByVersion>,
    /// Serializes the making of lists: each reads a whole deck.
    making: tokio::sync::Mutex<()>,
}

impl Lists {
    /// The list of a plan that sells this version of a tariff.
    pub(super) async fn list(
        &self,
        listing: &Listing,
        (version_id, priced): (i64, &PricedTariff),
        at: Timestamp,
    ) -> Arc<PriceList> {
        if let Some(list) = listing.at(at) {
            return list;
        }
        let _turn = self.making.lock().await;
        if let Some(list) = listing.at(at) {
            return list;
        }
        let key = (version_id, priced.terms().zone.iana_name().map(Arc::from));
        let shared = self.sold().get(&key).and_then(Weak::upgrade).filter(|sold| sold.holds(at));
        let priced = priced.clone();
        let make = move || {
            let sold = shared.unwrap_or_else(|| Arc::new(priced.tariff().sold(at, &priced.terms().zone)));
            Arc::new(priced.price_list(sold, at))
        };
        // A process that ends drops work that has not begun; the list is then made here, for the callers that still wait.
        let list = match tokio::task::spawn_blocking(make.clone()).await {
            Ok(list) => list,
            Err(_) => make(),
        };
        let mut sold = self.sold();
        sold.retain(|_, sold| sold.strong_count() > 0);
        sold.insert(key, Arc::downgrade(list.sold()));
        listing.replace(Arc::clone(&list));
        list
    }

    /// Makes the lists of everything that is to be published.
    pub(super) async fn make(&self, snapshot: &Snapshot, at: Timestamp) {
        for plan in snapshot.plans() {
            self.list(&plan.listing, (plan.tariff_version_id, &plan.priced), at).await;
            if let Some(Ok(messages)) = &plan.messages {
                self.list(&messages.listing, (messages.tariff_version_id, &messages.priced), at).await;
            }
        }
    }

    fn sold(&self) -> MutexGuard<'_, SoldByVersion> {
        // Each change is one insertion or removal.
        self.sold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The price of a plan at this instant for numbers that begin with a prefix and with no longer one; `None` if it sells
/// nothing there.
pub fn sold(priced: &PricedTariff, prefix: Prefix, at: Timestamp) -> Option<Sold> {
    let rate = priced.rate_of_prefix(prefix, at).ok()?;
    let terms = rate.terms(at);
    let step = terms.steps.first()?;
    Some(Sold {
        prefix,
        destination: rate.destination().to_owned(),
        price_per_minute: step.price_per_minute,
        connect_fee: terms.connect_fee,
        initial_block: terms.initial_block,
        increment: step.increment,
    })
}
