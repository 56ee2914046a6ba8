//! Calls to settle, priced by real rates.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tollgate::{
    clock::{Clock, ManualClock},
    ledger::{
        BuyCost, CallKey, CallKind, CdrDraft, Direction, Disposition, DurationSource, Held, Ledger,
        LedgerLimits, OpenCall, PayerCharge, RefusedAttempt, RouteAttempt, Settlement, TrunkUsed,
    },
    store::Store,
};
use tollgate_rating::{Money, PlanTerms, PricedTariff, RateRow, Tariff};

use crate::database::noon;

/// The client of every call, and the reseller above it.
pub(crate) const CLIENT: i64 = 100;
pub(crate) const RESELLER: i64 = 101;

pub(crate) fn key(unique_id: &str) -> CallKey {
    CallKey { server: "pbx1".to_owned(), unique_id: unique_id.to_owned(), leg: 1 }
}

/// What a call of so many milliseconds costs at a price per minute: charge, seconds, the rate as JSON.
fn rated(price: &str, ms: u64) -> (Money, u64, String) {
    let row = RateRow::new(2, "49".parse().unwrap(), Money::parse(price).unwrap());
    let tariff = Arc::new(Tariff::compile([row]).unwrap());
    let plan = PricedTariff::new(tariff, Vec::new(), Arc::new(PlanTerms::default()));
    let rate = plan.rate("4930123456".parse().unwrap(), noon()).unwrap();
    let charge = rate.charge(ms, noon()).unwrap();
    (charge.amount, charge.billed_seconds, serde_json::to_string(&rate).unwrap())
}

fn payer(account_id: i64, price: &str, ms: u64) -> PayerCharge {
    let (charge, billed_seconds, rate_json) = rated(price, ms);
    PayerCharge {
        account_id,
        plan_versions: vec![1, 2],
        tariff_version: Some(3),
        prefix: Some("49".to_owned()),
        price_per_minute: Some(Money::parse(price).unwrap()),
        billed_seconds,
        charge,
        rate_json: Some(rate_json),
    }
}

/// What is written down about any call.
pub(crate) fn draft(disposition: Disposition, ms: u64) -> CdrDraft {
    CdrDraft {
        kind: CallKind::Call,
        direction: Direction::Outbound,
        disposition,
        refused_reason: None,
        account_id: Some(CLIENT),
        endpoint: "1001".to_owned(),
        caller: "4930111".to_owned(),
        dialled: "004930123456".to_owned(),
        number: Some("4930123456".to_owned()),
        destination: Some("Germany, Berlin".to_owned()),
        setup_at: noon(),
        answered_at: (disposition == Disposition::Answered).then(noon),
        ended_at: noon() + jiff::SignedDuration::from_millis(i64::try_from(ms).unwrap()),
        answered_ms: ms,
        charged_ms: ms,
        overrun_ms: 0,
        pdd_ms: Some(120),
        hangup_cause: Some(16),
        sip_code: Some(200),
        hung_up_by: Some("caller".to_owned()),
        source_address: Some("192.0.2.1".to_owned()),
        sip_call_id: Some("abc@192.0.2.1".to_owned()),
        duration_source: DurationSource::Asterisk,
        trunk: Some(TrunkUsed { trunk_id: 7, name: "carrier".to_owned() }),
        route: 1,
        attempts: vec![RouteAttempt {
            route: 1,
            trunk: Some("carrier".to_owned()),
            dial_status: "ANSWER".to_owned(),
            cause: Some(16),
            ms: Some(ms),
        }],
        currency: "EUR".to_owned(),
    }
}

/// An answered call: 0.12 a minute to the client, 0.10 to the reseller, bought for 0.06.
pub(crate) fn answered(unique_id: &str, ms: u64) -> Settlement {
    let (cost, billed_seconds, rate_json) = rated("0.06", ms);
    Settlement {
        key: key(unique_id),
        cdr: draft(Disposition::Answered, ms),
        payers: vec![payer(CLIENT, "0.12", ms), payer(RESELLER, "0.10", ms)],
        buy: Some(BuyCost {
            tariff_version: Some(9),
            prefix: Some("49".to_owned()),
            price_per_minute: Some(Money::parse("0.06").unwrap()),
            currency: "USD".to_owned(),
            fx_rate: Some("0.92".to_owned()),
            billed_seconds,
            cost,
            rate_json: Some(rate_json),
        }),
        provisional: false,
    }
}

/// The same call, its end concluded without its ticket.
pub(crate) fn concluded(unique_id: &str, ms: u64) -> Settlement {
    let mut settlement = answered(unique_id, ms);
    settlement.cdr.duration_source = DurationSource::LastProofOfLife;
    settlement.provisional = true;
    if ms == 0 {
        settlement.cdr.disposition = Disposition::Cancelled;
        settlement.cdr.answered_at = None;
        settlement.buy = None;
    }
    settlement
}

/// A call that the database refuses: no charge is negative.
pub(crate) fn poison(unique_id: &str) -> Settlement {
    let mut settlement = answered(unique_id, 60_000);
    settlement.payers[0].charge = Money::from_nanos(-1);
    settlement
}

pub(crate) fn refused(unique_id: &str, source: &str, reason: &str) -> RefusedAttempt {
    let mut cdr = draft(Disposition::Refused, 0);
    cdr.account_id = None;
    cdr.refused_reason = Some(reason.to_owned());
    cdr.source_address = Some(source.to_owned());
    cdr.trunk = None;
    cdr.attempts = Vec::new();
    RefusedAttempt { key: key(unique_id), cdr, account_ids: Vec::new() }
}

pub(crate) fn opened(unique_id: &str) -> OpenCall {
    OpenCall {
        key: key(unique_id),
        ticket: "ticket".to_owned(),
        held: vec![Held { account_id: CLIENT, amount: Money::from_nanos(5) }],
        granted_at: noon(),
        hold_until: noon() + jiff::SignedDuration::from_secs(60),
        epoch: 1,
        funded_seconds: 60,
        pushed_seconds: 90,
        answered_at: Some(noon() + jiff::SignedDuration::from_secs(2)),
        alive_at: None,
    }
}

/// A running ledger on a clock that stands at noon.
pub(crate) struct Running {
    pub(crate) ledger: Ledger,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

pub(crate) async fn start(store: &Store, limits: LedgerLimits) -> Running {
    let clock = Arc::new(ManualClock::at(noon()));
    let shared: Arc<dyn Clock> = clock.clone();
    let stop = CancellationToken::new();
    let (ledger, task) = Ledger::start(store.clone(), shared, limits, stop.clone()).await.unwrap();
    Running { ledger, clock, stop, task }
}

/// A number of the database: counts, sums.
pub(crate) async fn number(store: &Store, text: &'static str) -> i64 {
    use tollgate::store::{Session as _, Side};
    let mut reader = store.reader().await.unwrap();
    let (number,): (i64,) = match reader.side() {
        Side::Sqlite(c) => sqlx::query_as(text).fetch_one(c).await.unwrap(),
        Side::Postgres(c) => sqlx::query_as(text).fetch_one(c).await.unwrap(),
    };
    number
}

pub(crate) async fn balance(store: &Store, account_id: i64) -> i128 {
    store.balance(account_id, "EUR").await.unwrap().nanos
}

pub(crate) fn later(seconds: i64) -> Timestamp {
    noon() + jiff::SignedDuration::from_secs(seconds)
}
