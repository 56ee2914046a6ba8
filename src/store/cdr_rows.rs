//! CDRs and their payers as rows.

use std::sync::LazyLock;

use super::{
    Session, StoreError,
    cdr::{BuyCost, CallKey, CdrDraft, PayerCharge},
    insert::{ManyRows, Value},
    to_micros,
};

pub(super) static CDRS: LazyLock<ManyRows> = LazyLock::new(|| {
    ManyRows::insert(
        "cdrs",
        "id, settled_at, tx_id, server, unique_id, leg, kind, direction, disposition, refused_reason, account_id, \
         endpoint, caller, dialled, number, destination, setup_at, answered_at, ended_at, answered_ms, charged_ms, \
         overrun_ms, pdd_ms, hangup_cause, sip_code, hung_up_by, source_address, sip_call_id, duration_source, \
         trunk_id, trunk_name, route, attempts, currency, buy_tariff_version, buy_prefix, buy_price, buy_currency, \
         buy_fx_rate, buy_billed_seconds, buy_cost, buy_rate_json, margin",
        "",
    )
});

pub(super) static PAYERS: LazyLock<ManyRows> = LazyLock::new(|| {
    ManyRows::insert(
        "cdr_payers",
        "cdr_id, position, settled_at, account_id, plan_versions, tariff_version, prefix, price, billed_seconds, \
         charge, rate_json",
        "",
    )
});

/// A CDR to be inserted.
pub(super) struct NewCdr<'a> {
    pub(super) id: i64,
    /// Id of its transaction, if it was charged.
    pub(super) tx_id: Option<i64>,
    pub(super) key: &'a CallKey,
    pub(super) draft: &'a CdrDraft,
    pub(super) payers: Vec<NewPayer<'a>>,
    pub(super) buy: Option<&'a BuyCost>,
    /// The attempts as JSON.
    pub(super) attempts: String,
}

/// A payer of the CDR: a charge, or just the account of a refused call.
pub(super) enum NewPayer<'a> {
    Charged { charge: &'a PayerCharge, plan_versions: String },
    Named(i64),
}

impl<'a> NewCdr<'a> {
    pub(super) fn charged(charge: &'a PayerCharge) -> NewPayer<'a> {
        let versions: Vec<String> = charge.plan_versions.iter().map(i64::to_string).collect();
        NewPayer::Charged { charge, plan_versions: versions.join(",") }
    }

    /// Computes the margin: the charge at the top of the chain, less the carrier's cost.
    fn margin(&self) -> i64 {
        let paid = match self.payers.last() {
            Some(NewPayer::Charged { charge, .. }) => charge.charge.nanos(),
            _ => 0,
        };
        paid.saturating_sub(self.buy.map_or(0, |buy| buy.cost.nanos()))
    }
}

/// Inserts CDRs with their payers.
pub(super) async fn insert(
    tx: &mut impl Session,
    cdrs: &[NewCdr<'_>],
    settled_at: i64,
) -> Result<(), StoreError> {
    let mut rows = Vec::with_capacity(cdrs.len() * 43);
    let mut payers = Vec::with_capacity(cdrs.len() * 22);
    for cdr in cdrs {
        push_cdr(&mut rows, cdr, settled_at);
        for (position, payer) in (0..).zip(&cdr.payers) {
            payers.extend([Value::Int(cdr.id), Value::Int(position), Value::Int(settled_at)]);
            push_payer(&mut payers, payer);
        }
    }
    CDRS.execute(tx, &rows).await?;
    PAYERS.execute(tx, &payers).await
}

fn push_cdr<'v>(rows: &mut Vec<Value<'v>>, cdr: &'v NewCdr<'_>, settled_at: i64) {
    use Value::{Int, IntOr, Text, TextOr};
    let draft = cdr.draft;
    rows.extend([
        Int(cdr.id),
        Int(settled_at),
        IntOr(cdr.tx_id),
        Text(&cdr.key.server),
        Text(&cdr.key.unique_id),
        Int(i64::from(cdr.key.leg)),
        Text(draft.kind.as_str()),
        Text(draft.direction.as_str()),
        Text(draft.disposition.as_str()),
        TextOr(draft.refused_reason.as_deref()),
        IntOr(draft.account_id),
        Text(&draft.endpoint),
        Text(&draft.caller),
        Text(&draft.dialled),
        TextOr(draft.number.as_deref()),
        TextOr(draft.destination.as_deref()),
        Int(to_micros(draft.setup_at)),
        IntOr(draft.answered_at.map(to_micros)),
        Int(to_micros(draft.ended_at)),
        Int(whole(draft.answered_ms)),
        Int(whole(draft.charged_ms)),
        Int(whole(draft.overrun_ms)),
        IntOr(draft.pdd_ms.map(whole)),
        IntOr(draft.hangup_cause.map(i64::from)),
        IntOr(draft.sip_code.map(i64::from)),
        TextOr(draft.hung_up_by.as_deref()),
        TextOr(draft.source_address.as_deref()),
        TextOr(draft.sip_call_id.as_deref()),
        Text(draft.duration_source.as_str()),
        IntOr(draft.trunk.as_ref().map(|trunk| trunk.trunk_id)),
        TextOr(draft.trunk.as_ref().map(|trunk| trunk.name.as_str())),
        Int(i64::from(draft.route)),
        Text(&cdr.attempts),
        Text(&draft.currency),
    ]);
    let buy = cdr.buy;
    rows.extend([
        IntOr(buy.and_then(|buy| buy.tariff_version)),
        TextOr(buy.and_then(|buy| buy.prefix.as_deref())),
        IntOr(buy.and_then(|buy| buy.price_per_minute).map(tollgate_rating::Money::nanos)),
        TextOr(buy.map(|buy| buy.currency.as_str())),
        TextOr(buy.and_then(|buy| buy.fx_rate.as_deref())),
        IntOr(buy.map(|buy| whole(buy.billed_seconds))),
        IntOr(buy.map(|buy| buy.cost.nanos())),
        TextOr(buy.and_then(|buy| buy.rate_json.as_deref())),
        Int(cdr.margin()),
    ]);
}

fn push_payer<'v>(rows: &mut Vec<Value<'v>>, payer: &'v NewPayer<'_>) {
    use Value::{Int, IntOr, Text, TextOr};
    match payer {
        NewPayer::Charged { charge, plan_versions } => rows.extend([
            Int(charge.account_id),
            Text(plan_versions),
            IntOr(charge.tariff_version),
            TextOr(charge.prefix.as_deref()),
            IntOr(charge.price_per_minute.map(tollgate_rating::Money::nanos)),
            Int(whole(charge.billed_seconds)),
            Int(charge.charge.nanos()),
            TextOr(charge.rate_json.as_deref()),
        ]),
        NewPayer::Named(account_id) => rows.extend([
            Int(*account_id),
            Text(""),
            IntOr(None),
            TextOr(None),
            IntOr(None),
            Int(0),
            Int(0),
            TextOr(None),
        ]),
    }
}

/// Converts a count to the type of the tables; larger values are capped.
fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
