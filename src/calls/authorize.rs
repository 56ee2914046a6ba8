//! Whether a call may be made, by which routes and until when: decided in memory, without waiting for anything.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tollgate_rating::credit::{
    Chain, Day, MAX_PAYERS, Pricing, Refusal, RefusalReason, ReserveRequest, Wallet,
};
use tollgate_rating::number::normalise;
use tollgate_rating::{AnswerRange, CallRate, E164, Money};

use super::Calls;
use super::grant::Grant;
use super::live::{Live, signed};
use super::open::{OpenCall, OpenPayer};
use super::refusal::Reason;
use super::request::AuthorizeRequest;
use super::ticket::{Ticket, TicketPayer, TicketRoute};
use crate::catalog::Snapshot;
use crate::catalog::lcr::{Route, RouteRequest};
use crate::config::CalleridPolicy;
use crate::directory::Account;
use crate::directory::MAX_CHAIN;
use crate::secrets::random_below;
use crate::store::peers::PeerKind;

/// Kept before the funded end, so that Asterisk's overshoot of up to 20 ms does not buy another increment.
pub(super) const GUARD_MS: u64 = 300;
/// How long a hold outlives its funded end when nobody settles.
pub const HOLD_GRACE: SignedDuration = SignedDuration::from_secs(60);

/// How long a call that was just granted keeps its hold if nobody settles, in milliseconds.
fn hold_ms(funded_seconds: u32, ring_seconds: u32) -> u64 {
    (u64::from(funded_seconds) + u64::from(ring_seconds) + HOLD_GRACE.unsigned_abs().as_secs()) * 1_000
}

/// A refusal, with what was known when it was made.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// Who called, if that is known.
    pub chain: Vec<Arc<Account>>,
    /// What was called, if it is a number.
    pub number: Option<E164>,
    /// The name of the destination, if there is a rate.
    pub destination: Option<String>,
}

impl Refused {
    fn new(reason: Reason) -> Self {
        Self { reason, chain: Vec::new(), number: None, destination: None }
    }
}

/// One payer's price, as the wallets ask for it.
pub(super) struct PayerPrice<'a> {
    pub(super) rate: &'a CallRate,
    pub(super) answered: AnswerRange,
}

impl Pricing for PayerPrice<'_> {
    fn max_seconds(&self, credit: Money, cap: u32) -> u32 {
        self.rate.max_seconds(credit, cap, self.answered)
    }

    fn hold(&self, seconds: u32) -> Option<Money> {
        self.rate.hold(seconds, self.answered).ok()
    }
}

impl Calls {
    /// Decides about a call. A grant has taken its holds and is journalled; a refusal has taken nothing.
    pub fn authorize(&self, request: &AuthorizeRequest) -> Result<Grant, Refused> {
        let now = self.clock.now();
        let now_ms = self.clock.monotonic_ms();
        if !self.admits() {
            return Err(Refused::new(Reason::Unavailable));
        }
        // A call is granted once: neither twice at the same time, nor again while it lives or after it has ended.
        let Some(_turn) = self.turn(&request.key) else { return Err(Refused::new(Reason::Unavailable)) };
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
        let granted = self.grant(request, &snapshot, &chain, number, rates, now_ms);
        // What is held, and what was to be held and is not there, may ask for a top-up.
        if !matches!(granted, Err(reason) if reason != Reason::NoCredit) {
            self.directory.purses().look_at(&chain[0]);
        }
        granted.map_err(|reason| Refused { reason, ..refused })
    }

    /// The number dialled, by the client's dial rules, unless a prefix list of the chain blocks it.
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

    /// The caps on a call's length: the operator's, the plans' and every payer's own.
    pub fn cap_seconds(&self, snapshot: &Snapshot, chain: &[Arc<Account>]) -> u32 {
        let client = chain.first().and_then(|account| account.client_above());
        let accounts = chain.iter().chain(client).filter_map(|account| account.settings().max_call_seconds);
        let plans =
            chain.iter().filter_map(|account| snapshot.plan(account.settings().plan_id)?.max_call_seconds);
        accounts.chain(plans).fold(self.settings.max_call_seconds, u32::min)
    }

    /// What the carriers are asked for a call.
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
            // A subaccount stands in for its client.
            allow_loss: chain
                .iter()
                .any(|account| account.client_above().unwrap_or(account).settings().allow_loss),
            max_routes: self.settings.max_routes,
            chance: random_below(u64::MAX),
        }
    }

    /// When a call that is granted at a moment may be answered.
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

    fn grant(
        &self,
        request: &AuthorizeRequest,
        snapshot: &Snapshot,
        chain: &[Arc<Account>],
        number: E164,
        rates: Vec<PayerRate>,
        now_ms: u64,
    ) -> Result<Grant, Reason> {
        let ring_seconds = self.settings.ring_seconds;
        let at = rates[0].at;
        let answered = self.answer_range(at);
        let limit_seconds = self.cap_seconds(snapshot, chain);
        let wallets: Vec<&Wallet> = chain.iter().map(|account| &account.wallet).collect();
        let wallets = Chain::new(&wallets).map_err(|_| Reason::Unavailable)?;
        let prices: Vec<PayerPrice<'_>> =
            rates.iter().map(|payer| PayerPrice { rate: &payer.rate, answered }).collect();
        let reserved = wallets
            .reserve(
                &prices,
                &ReserveRequest {
                    caps_seconds: limit_seconds,
                    slice: self.slice_of(&request.key.server),
                    now_ms,
                    days: days(snapshot, chain, at),
                },
            )
            .map_err(refused_by)?;
        let affordable_seconds = reserved.affordable_seconds;
        let funded_seconds = paid_seconds(&prices, reserved.holds.amounts(), affordable_seconds);
        // How far Asterisk lets it run: to what is held, unless the operator lets it run to what could be paid.
        let runs_to_grant = self.runs_to_grant(&request.key.server);
        let reach_seconds = if runs_to_grant { affordable_seconds } else { funded_seconds };
        let top = &rates[rates.len() - 1];
        let mut routes: Vec<Route> =
            snapshot.routes(&self.route_request(chain, number, top, affordable_seconds));
        // The first carrier must have room for this call; one that another call filled meanwhile is left out.
        let mut place = None;
        while place.is_none() && !routes.is_empty() {
            place = routes[0].trunk.try_occupy();
            if place.is_none() {
                routes.remove(0);
            }
        }
        let ticket = self.ticket(request, number, &rates, &routes, limit_seconds, affordable_seconds);
        let sealed = if routes.is_empty() {
            Err(Reason::NoRoute)
        } else {
            ticket.seal(&self.secrets()).map_err(|_| Reason::Unavailable)
        };
        let sealed = match sealed {
            Ok(sealed) => sealed,
            Err(reason) => {
                // Amounts that were held a moment ago can be given back: nothing else touches a call's own holds.
                let released = wallets.release(reserved.holds);
                debug_assert!(released.is_ok(), "what was reserved can be released");
                return Err(reason);
            }
        };
        let talk_ms = u64::from(reach_seconds) * 1_000 - GUARD_MS;
        let grant = Grant {
            limit_ms: u64::from(limit_seconds) * 1_000,
            ring_seconds,
            talk_ms,
            dial_strings: routes.iter().map(|route| route.trunk.dial_string(number)).collect(),
            callerid: self.caller_id(&chain[0], request),
            ticket: sealed.clone(),
            token: request.key.unique_id.clone(),
        };
        let open = OpenCall {
            payers: chain
                .iter()
                .zip(rates)
                .map(|(account, payer)| OpenPayer {
                    account: Arc::clone(account),
                    rate: payer.rate,
                    versions: payer.versions,
                })
                .collect(),
            place,
            routes: routes.into_iter().map(Some).collect(),
            holds: Some(reserved.holds),
            number,
            dialled: request.dialled.clone(),
            endpoint: request.endpoint.clone(),
            caller: grant.callerid.clone(),
            source: request.source,
            granted_at: at,
            granted_ms: Some(now_ms),
            since_ms: Some(signed(now_ms)),
            ticket: Arc::from(sealed),
            limit_seconds,
            funded_seconds,
            live: Live::granted(
                request.channel.clone(),
                talk_ms,
                reach_seconds,
                funded_seconds < limit_seconds && funded_seconds >= affordable_seconds,
                now_ms,
            ),
            ring_seconds,
            hold_until_ms: now_ms + hold_ms(funded_seconds, ring_seconds),
            unsettled: None,
            tried: false,
            dialable: false,
        };
        let journalled = self.journalled(&request.key, &open, now_ms);
        self.enlist(request, open)?;
        self.ledger.open_call(journalled);
        Ok(grant)
    }

    /// The number the carrier sees: the account's own where it has one, a subaccount's client's where it has none, else what
    /// the phone said, as far as numbers of one's own choice are allowed at all.
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
            // What the operator has approved is chosen over the API, not in a phone.
            CalleridPolicy::Approval => false,
        };
        if is_allowed { said } else { String::new() }
    }

    /// Puts a call among the open ones, unless its peer was switched off meanwhile: whoever did that ended the calls
    /// that were there, and this one was not yet. Then it holds nothing any more.
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

/// For how many seconds, at most `cap`, what is held pays: a hold of a whole block pays to the block's end.
pub(super) fn paid_seconds(prices: &[PayerPrice<'_>], held: &[Money], cap: u32) -> u32 {
    prices.iter().zip(held).fold(cap, |cap, (price, hold)| price.max_seconds(*hold, cap))
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

/// One payer's rate for a call.
#[derive(Debug)]
pub struct PayerRate {
    /// Who pays, and the versions the rate comes from.
    pub versions: TicketPayer,
    /// The rate.
    pub rate: CallRate,
    /// The moment it was chosen for.
    pub at: Timestamp,
}

/// Every payer's rate, the client's first.
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

/// Every payer's spending day, in its plan's zone.
pub fn days(snapshot: &Snapshot, chain: &[Arc<Account>], at: Timestamp) -> [Day; MAX_PAYERS] {
    let mut days = [Day::default(); MAX_PAYERS];
    for (day, account) in days.iter_mut().zip(chain) {
        let settings = account.settings();
        if settings.limits.daily_spend.is_some()
            && let Some(plan) = snapshot.plan(settings.plan_id)
        {
            *day = plan.spending_day(at);
        }
    }
    days
}

/// What a phone said of its own number: digits, `+` before them.
fn said_by_the_phone(request: &AuthorizeRequest) -> String {
    let fits = |(index, c): &(usize, char)| c.is_ascii_digit() || (*index == 0 && *c == '+');
    request.caller.chars().enumerate().filter(fits).map(|(_, c)| c).collect()
}
