//! Authorisation of calls: admission, routes and maximum duration, decided in memory without waiting.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tollgate_rating::credit::{Chain, Holds, Refusal, RefusalReason, ReserveRequest, Wallet};
use tollgate_rating::number::normalise;
use tollgate_rating::{AnswerRange, CallRate, E164};

use super::funding::{GUARD_MS, HOLD_GRACE, PayerPrice, days, paid_seconds};
use super::grant::Grant;
use super::live::{Live, signed};
use super::open::{OpenCall, OpenPayer, Origin, Phase, Submission};
use super::refusal::Reason;
use super::request::AuthorizeRequest;
use super::state::Calls;
use super::ticket::{Ticket, TicketPayer, TicketRoute};
use crate::catalog::Snapshot;
use crate::catalog::lcr::{Route, RouteRequest};
use crate::catalog::trunks::Occupied;
use crate::config::CalleridPolicy;
use crate::directory::Account;
use crate::directory::MAX_CHAIN;
use crate::secrets::random_below;
use crate::store::peers::PeerKind;

/// Returns how long the hold of a new grant lasts without a settlement, in milliseconds.
fn hold_ms(funded_seconds: u32, ring_seconds: u32) -> u64 {
    (u64::from(funded_seconds) + u64::from(ring_seconds) + HOLD_GRACE.unsigned_abs().as_secs()) * 1_000
}

/// A refusal, with the facts known when it was made.
#[derive(Debug)]
pub struct Refused {
    /// Reason of the refusal.
    pub reason: Reason,
    /// The paying accounts; empty while unknown.
    pub chain: Vec<Arc<Account>>,
    /// The number called, if the digits are a number.
    pub number: Option<E164>,
    /// Name of the destination, if there is a rate.
    pub destination: Option<String>,
}

impl Refused {
    fn new(reason: Reason) -> Self {
        Self { reason, chain: Vec::new(), number: None, destination: None }
    }
}

/// A call that its account may make, before credit and routes are checked.
struct CallOrder<'a> {
    request: &'a AuthorizeRequest,
    snapshot: &'a Snapshot,
    chain: &'a [Arc<Account>],
    number: E164,
    now_ms: u64,
}

/// Durations that the chain's credit pays for, in seconds.
#[derive(Clone, Copy)]
struct Funding {
    /// Duration that the chain could pay.
    affordable: u32,
    /// Duration that the holds pay for.
    funded: u32,
    /// Duration after which Asterisk ends the call.
    reach: u32,
}

impl Funding {
    /// Reports whether credit ends the call before its caps do, and all of it is held.
    const fn is_short(self, limit_seconds: u32) -> bool {
        self.funded < limit_seconds && self.funded >= self.affordable
    }
}

impl Calls {
    /// Decides about a call. A grant has its holds and a journal entry; a refusal has no holds.
    pub fn authorize(&self, request: &AuthorizeRequest) -> Result<Grant, Refused> {
        let now = self.clock.now();
        let now_ms = self.clock.monotonic_ms();
        if !self.admits() {
            return Err(Refused::new(Reason::Unavailable));
        }
        // A call is granted once: not twice at the same time, nor again while it lives or after it has ended.
        let Some(_lock) = self.lock_call(&request.key) else { return Err(Refused::new(Reason::Unavailable)) };
        if self.open.contains_key(&request.key) || self.has_ended(&request.key) {
            tracing::warn!(call.id = %request.key, "a call asks again to be granted");
            return Err(Refused::new(Reason::Unavailable));
        }
        let peer = self.directory.peer(&request.endpoint).ok_or_else(|| Refused::new(Reason::UnknownPeer))?;
        let chain = peer.account.chain();
        let mut refused = Refused { chain: chain.clone(), ..Refused::new(Reason::Inactive) };
        if !peer.in_force() {
            return Err(refused);
        }
        if !peer.comes_from(request.source) {
            return Err(Refused { reason: Reason::BadSource, ..refused });
        }
        if peer.kind == PeerKind::Sip
            && let Some(IpAddr::V4(from)) = request.source.map(|from| from.to_canonical())
        {
            self.directory.phones().proofs().note(&request.endpoint, from);
        }
        let snapshot = self.catalog.snapshot();
        let number = match Self::number(&chain, request) {
            Ok(number) => number,
            Err(reason) => return Err(Refused { reason, ..refused }),
        };
        refused.number = Some(number);
        let rates = match rates(&snapshot, &chain, number, now) {
            Ok(rates) => rates,
            Err(reason) => return Err(Refused { reason, ..refused }),
        };
        refused.destination = Some(rates[0].rate.destination().to_owned());
        let order = CallOrder { request, snapshot: &snapshot, chain: &chain, number, now_ms };
        let granted = self.grant(&order, rates);
        // The hold, or the failure to hold for lack of credit, may make a top-up due.
        if !matches!(granted, Err(reason) if reason != Reason::NoCredit) {
            self.directory.wallet_watch().look_at(&chain[0]);
        }
        granted.map_err(|reason| Refused { reason, ..refused })
    }

    /// Converts the dialled digits to a number by the client's dial rules, unless a prefix list of the chain blocks it.
    fn number(chain: &[Arc<Account>], request: &AuthorizeRequest) -> Result<E164, Reason> {
        let number =
            normalise(&request.dialled, &chain[0].client_above().unwrap_or(&chain[0]).settings().dial_rules)
                .map_err(|_| Reason::BadNumber)?;
        let client = chain[0].client_above();
        if chain.iter().chain(client).any(|account| account.settings().blocks(number)) {
            return Err(Reason::Blocked);
        }
        Ok(number)
    }

    /// Returns the cap on a call's length in seconds: the operator's, the plans' and every payer's own.
    pub fn cap_seconds(&self, snapshot: &Snapshot, chain: &[Arc<Account>]) -> u32 {
        let client = chain.first().and_then(|account| account.client_above());
        let accounts = chain.iter().chain(client).filter_map(|account| account.settings().max_call_seconds);
        let plans =
            chain.iter().filter_map(|account| snapshot.plan(account.settings().plan_id)?.max_call_seconds);
        accounts.chain(plans).fold(self.settings.max_call_seconds, u32::min)
    }

    /// Builds the request for routes of a call.
    pub fn route_request<'a>(
        &self,
        chain: &[Arc<Account>],
        number: E164,
        sold: &'a PayerRate,
        funded_seconds: u32,
    ) -> RouteRequest<'a> {
        RouteRequest {
            number,
            at: sold.at,
            sold: &sold.rate,
            answered: self.answer_range(sold.at),
            funded_seconds,
            // For a subaccount its client's setting applies.
            allow_loss: chain
                .iter()
                .any(|account| account.client_above().unwrap_or(account).settings().allow_loss),
            max_routes: self.settings.max_routes,
            chance: random_below(u64::MAX),
        }
    }

    /// Returns the range of possible answer times of a call granted at a given time.
    pub fn answer_range(&self, at: Timestamp) -> AnswerRange {
        AnswerRange::new(at, at + SignedDuration::from_secs(i64::from(self.settings.ring_seconds)))
    }

    fn ticket(
        &self,
        request: &AuthorizeRequest,
        number: E164,
        rates: &[PayerRate],
        routes: &[Route],
        limit_seconds: u32,
        affordable_seconds: u32,
    ) -> Ticket {
        Ticket {
            server: request.key.server.clone(),
            unique_id: request.key.unique_id.clone(),
            leg: request.key.leg,
            number: number.value(),
            granted_at_us: rates[0].at.as_microsecond(),
            limit_seconds,
            affordable_seconds,
            ring_seconds: self.settings.ring_seconds,
            payers: rates.iter().map(|payer| payer.versions.clone()).collect(),
            routes: routes
                .iter()
                .map(|route| TicketRoute {
                    trunk_id: route.trunk.id,
                    tariff_version_id: route.trunk.tariff_version_id,
                })
                .collect(),
        }
    }

    /// Holds credit on the whole chain, chooses routes, and opens the call. A refusal leaves no hold.
    fn grant(&self, order: &CallOrder<'_>, rates: Vec<PayerRate>) -> Result<Grant, Reason> {
        let wallets: Vec<&Wallet> = order.chain.iter().map(|account| &account.wallet).collect();
        let wallets = Chain::new(&wallets).map_err(|_| Reason::Unavailable)?;
        let limit_seconds = self.cap_seconds(order.snapshot, order.chain);
        let (holds, funding) = self.reserve(order, &wallets, &rates, limit_seconds)?;
        let top = &rates[rates.len() - 1];
        let offered =
            order.snapshot.routes(&self.route_request(order.chain, order.number, top, funding.affordable));
        let (place, routes) = occupy_first(offered);
        let ticket =
            self.ticket(order.request, order.number, &rates, &routes, limit_seconds, funding.affordable);
        let sealed = if routes.is_empty() {
            Err(Reason::NoRoute)
        } else {
            ticket.seal(&self.secrets()).map_err(|_| Reason::Unavailable)
        };
        let sealed = match sealed {
            Ok(sealed) => sealed,
            Err(reason) => {
                // No other code uses a call's holds, so they can be released.
                let released = wallets.release(holds);
                debug_assert!(released.is_ok(), "reserved holds can be released");
                return Err(reason);
            }
        };
        let grant = Grant {
            limit_ms: u64::from(limit_seconds) * 1_000,
            ring_seconds: self.settings.ring_seconds,
            talk_ms: u64::from(funding.reach) * 1_000 - GUARD_MS,
            dial_strings: routes.iter().map(|route| route.trunk.dial_string(order.number)).collect(),
            callerid: self.caller_id(&order.chain[0], order.request),
            ticket: sealed,
            token: order.request.key.unique_id.clone(),
        };
        let granted_at = rates[0].at;
        let payers = order.chain.iter().zip(rates).map(|(account, payer)| OpenPayer {
            account: Arc::clone(account),
            rate: payer.rate,
            versions: payer.versions,
        });
        let open = OpenCall {
            payers: payers.collect(),
            place,
            routes: routes.into_iter().map(Some).collect(),
            holds: Some(holds),
            number: order.number,
            dialled: order.request.dialled.clone(),
            endpoint: order.request.endpoint.clone(),
            caller: grant.callerid.clone(),
            source: order.request.source,
            granted_at,
            origin: Origin::ThisProcess { since_ms: signed(order.now_ms) },
            ticket: Arc::from(grant.ticket.as_str()),
            limit_seconds,
            funded_seconds: funding.funded,
            live: Live::granted(
                order.request.channel.clone(),
                grant.talk_ms,
                funding.reach,
                funding.is_short(limit_seconds),
                order.now_ms,
            ),
            ring_seconds: self.settings.ring_seconds,
            hold_until_ms: order.now_ms + hold_ms(funding.funded, self.settings.ring_seconds),
            phase: Phase::Granted,
            submission: Submission::NotSubmitted,
        };
        let journalled = self.journalled(&order.request.key, &open, order.now_ms);
        self.enlist(order.request, open)?;
        self.ledger.open_call(journalled);
        Ok(grant)
    }

    /// Holds a slice on the whole chain, or nothing.
    fn reserve(
        &self,
        order: &CallOrder<'_>,
        wallets: &Chain<'_>,
        rates: &[PayerRate],
        limit_seconds: u32,
    ) -> Result<(Holds, Funding), Reason> {
        let at = rates[0].at;
        let answered = self.answer_range(at);
        let prices: Vec<PayerPrice<'_>> =
            rates.iter().map(|payer| PayerPrice { rate: &payer.rate, answered }).collect();
        let server = &order.request.key.server;
        let request = ReserveRequest {
            caps_seconds: limit_seconds,
            slice: self.slice_of(server),
            now_ms: order.now_ms,
            days: days(order.snapshot, order.chain, at),
        };
        let reserved = wallets.reserve(&prices, &request).map_err(refused_by)?;
        let affordable = reserved.affordable_seconds;
        let funded = paid_seconds(&prices, reserved.holds.amounts(), affordable);
        // Asterisk lets the call last as long as the holds pay or, if the operator allows it, as long as the chain
        // could pay.
        let reach = if self.runs_to_grant(server) { affordable } else { funded };
        Ok((reserved.holds, Funding { affordable, funded, reach }))
    }

    /// Returns the caller number for the carrier: the account's own, else that of a subaccount's client, else the
    /// number the phone sent, if `callerid.policy` allows freely chosen numbers.
    fn caller_id(&self, client: &Account, request: &AuthorizeRequest) -> String {
        let own = client.settings().callerid.clone();
        let above = || client.client_above().and_then(|above| above.settings().callerid.clone());
        if let Some(callerid) = own.or_else(above) {
            return callerid;
        }
        let said = said_by_the_phone(request);
        let policy = &self.settings.callerid;
        let digits = said.trim_start_matches('+');
        let is_allowed = match policy.policy {
            CalleridPolicy::Free => true,
            CalleridPolicy::Pattern => {
                policy.prefixes.iter().any(|prefix| digits.starts_with(prefix.as_str()))
            }
            // Numbers approved by the operator are chosen over the API, not in a phone.
            CalleridPolicy::Approval => false,
        };
        if is_allowed { said } else { String::new() }
    }

    /// Adds a call to the open ones, unless its peer was disabled meanwhile: disabling ended the calls that were open
    /// then, and this one was not. In that case its holds are released.
    fn enlist(&self, request: &AuthorizeRequest, open: OpenCall) -> Result<(), Reason> {
        self.open.insert(request.key.clone(), Box::new(open));
        if self.directory.peer(&request.endpoint).is_some_and(|peer| peer.in_force()) {
            return Ok(());
        }
        if let Some((_, mut call)) = self.open.remove(&request.key)
            && let Some(holds) = call.holds.take()
        {
            let released = call.with_chain(|chain| chain.release(holds).is_ok());
            debug_assert!(released.is_ok_and(|released| released), "what was reserved can be released");
        }
        Err(Reason::Inactive)
    }
}

/// Occupies a place on the trunk of the first route. Routes before it whose trunk other calls filled meanwhile are
/// skipped.
fn occupy_first(mut routes: Vec<Route>) -> (Option<Occupied>, Vec<Route>) {
    while let Some(first) = routes.first() {
        if let Some(place) = first.trunk.try_occupy() {
            return (Some(place), routes);
        }
        routes.remove(0);
    }
    (None, routes)
}

fn refused_by(refusal: Refusal) -> Reason {
    match refusal.reason {
        RefusalReason::NoCredit if refusal.payer_index == 0 => Reason::NoCredit,
        RefusalReason::NoCredit => Reason::NoWholesaleCredit,
        RefusalReason::CallLimit => Reason::CallLimit,
        RefusalReason::CpsLimit => Reason::CpsLimit,
        RefusalReason::DailyLimit => Reason::DailyLimit,
    }
}

/// The rate of a payer for a call.
#[derive(Debug)]
pub struct PayerRate {
    /// The paying account, and the versions that the rate comes from.
    pub versions: TicketPayer,
    /// The rate.
    pub rate: CallRate,
    /// Time for which the rate was chosen.
    pub at: Timestamp,
}

/// Finds every payer's rate, the client's first.
pub fn rates(
    snapshot: &Snapshot,
    chain: &[Arc<Account>],
    number: E164,
    at: Timestamp,
) -> Result<Vec<PayerRate>, Reason> {
    let mut rates = Vec::with_capacity(MAX_CHAIN);
    for account in chain {
        let settings = account.settings();
        let plan = snapshot.plan(settings.plan_id).ok_or(Reason::NoRate)?;
        let rate = plan.priced.rate(number, at).map_err(|_| Reason::NoRate)?;
        let dearest = rate.dearest_price_per_minute();
        let too_dear_for_its_client =
            account.client_above().is_some_and(|client| client.settings().is_too_dear(dearest));
        if rate.is_blocked() || settings.is_too_dear(dearest) || too_dear_for_its_client {
            return Err(Reason::Blocked);
        }
        let versions = TicketPayer {
            account_id: account.id,
            tariff_version_id: plan.tariff_version_id,
            plan_version_ids: plan.plan_version_ids.clone(),
        };
        rates.push(PayerRate { versions, rate, at });
    }
    Ok(rates)
}

/// Returns the caller number that a phone sent: digits, with `+` before them.
fn said_by_the_phone(request: &AuthorizeRequest) -> String {
    let fits = |(index, c): &(usize, char)| c.is_ascii_digit() || (*index == 0 && *c == '+');
    request.caller.chars().enumerate().filter(fits).map(|(_, c)| c).collect()
}
