//! The JSON in which a call keeps its rate.
//!
//! Amounts are nano-units as integers. A rate with one window has neither `zone` nor `week`; `week` lists the minute
//! of the week (0 is Monday's midnight) from which each window, by its position, holds. A step is its first second,
//! its increment and its price per minute.
//!
//! ```json
//! {"v":1,"prefix":"4915","deck_prefix":"49","destination":"Germany","rounding":"half-up","decimals":6,
//!  "duration_rounding":"up","block_rounding":"after_initial",
//!  "windows":[{"connect_fee":0,"initial_block":60,"steps":[[0,60,12000000],[600,1,6000000]]}]}
//! ```

use super::rate::{CallRate, Form, Step, WindowTerms, Windowed};
use crate::{
    money::Money,
    prefix::Prefix,
    rounding::{BlockRounding, DurationRounding, Rounding, RoundingMode},
    tariff::MAX_BLOCK_SECONDS,
    terms::Head,
    week::Week,
};
use jiff::{
    fmt::temporal::{DateTimeParser, DateTimePrinter},
    tz::TimeZone,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use std::{borrow::Cow, sync::Arc};

/// The version of the form; another one is refused.
const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    v: u8,
    prefix: String,
    deck_prefix: String,
    destination: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_default")]
    blocked: bool,
    rounding: RoundingMode,
    decimals: u8,
    duration_rounding: DurationRounding,
    block_rounding: BlockRounding,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    week: Vec<(u16, u16)>,
    windows: Vec<WireWindow>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireWindow {
    connect_fee: Money,
    initial_block: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    free_below: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    additional_time: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_charge: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_charge: Option<Money>,
    steps: Vec<(u32, u32, Money)>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn window_of(head: &Head, steps: &[Step]) -> WireWindow {
    WireWindow {
        connect_fee: head.connect_fee,
        initial_block: head.initial_block,
        free_below: head.free_below,
        additional_time: head.additional_time,
        min_charge: head.min_charge,
        max_charge: head.max_charge,
        steps: steps.iter().map(|step| (step.start, step.increment, step.price_per_minute)).collect(),
    }
}

impl WireWindow {
    /// The terms, if a compiled tariff could have held them.
    fn into_terms(self) -> Result<WindowTerms, &'static str> {
        let amounts = [Some(self.connect_fee), self.min_charge, self.max_charge];
        if amounts.iter().flatten().any(|amount| amount.is_negative()) {
            return Err("an amount is negative");
        }
        if self.min_charge.zip(self.max_charge).is_some_and(|(min, max)| min > max) {
            return Err("min_charge is above max_charge");
        }
        let lengths = [self.initial_block, self.free_below, self.additional_time];
        if lengths.iter().any(|seconds| *seconds > MAX_BLOCK_SECONDS) {
            return Err("a length is above a day");
        }
        if self.steps.first().is_none_or(|(start, ..)| *start != 0) {
            return Err("the first step does not begin at 0");
        }
        if !self.steps.is_sorted_by(|(a, ..), (b, ..)| a < b) {
            return Err("the steps are not in order");
        }
        let good = |(_, increment, price): &(u32, u32, Money)| {
            (1..=MAX_BLOCK_SECONDS).contains(increment) && !price.is_negative()
        };
        if !self.steps.iter().all(good) {
            return Err("a step has no price or no increment");
        }
        let head = Head {
            connect_fee: self.connect_fee,
            initial_block: self.initial_block,
            free_below: self.free_below,
            additional_time: self.additional_time,
            min_charge: self.min_charge,
            max_charge: self.max_charge,
        };
        let steps = self.steps.into_iter();
        let steps = steps.map(|(start, increment, price)| Step { start, increment, price_per_minute: price });
        Ok(WindowTerms { head, steps: steps.collect() })
    }
}

impl Serialize for CallRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (zone, week, windows) = match &self.form {
            Form::Plain(head, step) => (None, Vec::new(), vec![window_of(head, core::slice::from_ref(step))]),
            Form::Windowed(windowed) => {
                let windows = windowed.windows.iter().map(|window| window_of(&window.head, &window.steps));
                if windowed.week.is_constant() {
                    (None, Vec::new(), windows.collect())
                } else {
                    let zone = DateTimePrinter::new().time_zone_to_string(&windowed.zone);
                    let zone = zone.map_err(|error| ser::Error::custom(format!("zone: {error}")))?;
                    (Some(zone), windowed.week.changes().to_vec(), windows.collect())
                }
            }
        };
        let wire = Wire {
            v: VERSION,
            prefix: self.prefix.to_string(),
            deck_prefix: self.deck_prefix.to_string(),
            destination: Cow::Borrowed(&self.destination),
            blocked: self.blocked,
            rounding: self.rounding.mode(),
            decimals: self.rounding.decimals(),
            duration_rounding: self.duration_rounding,
            block_rounding: self.block_rounding,
            zone,
            week,
            windows,
        };
        wire.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CallRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Wire::deserialize(deserializer)?.into_rate().map_err(de::Error::custom)
    }
}

impl Wire<'_> {
    fn into_rate(self) -> Result<CallRate, String> {
        if self.v != VERSION {
            return Err(format!("version {} of a call's rate is unknown", self.v));
        }
        let prefix = |text: &str| text.parse::<Prefix>().map_err(|error| format!("prefix {text:?}: {error}"));
        let rounding = Rounding::new(self.rounding, self.decimals).ok_or("decimals are above 9")?;
        let mut windows: Vec<WindowTerms> = Vec::with_capacity(self.windows.len());
        for window in self.windows {
            windows.push(window.into_terms()?);
        }
        let form = match &*windows {
            [] => return Err("there is no window".to_owned()),
            [window] if window.steps.len() == 1 => Form::Plain(window.head, window.steps[0]),
            _ => {
                let zone = self.zone.as_deref().map(|zone| DateTimeParser::new().parse_time_zone(zone));
                let zone = zone.transpose().map_err(|error| format!("zone: {error}"))?;
                let changes = if self.week.is_empty() { vec![(0, 0)] } else { self.week };
                let week = Week::from_changes(changes, windows.len()).ok_or("the week is not one")?;
                if zone.is_none() && !week.is_constant() {
                    return Err("a rate with windows has no zone".to_owned());
                }
                Form::Windowed(Arc::new(Windowed {
                    zone: zone.unwrap_or(TimeZone::UTC),
                    week: Arc::new(week),
                    windows: windows.into_boxed_slice(),
                }))
            }
        };
        Ok(CallRate {
            prefix: prefix(&self.prefix)?,
            deck_prefix: prefix(&self.deck_prefix)?,
            destination: Arc::from(&*self.destination),
            blocked: self.blocked,
            rounding,
            duration_rounding: self.duration_rounding,
            block_rounding: self.block_rounding,
            form,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AnswerRange, PlanTerms, PricedTariff, RateRow, Tariff};
    use jiff::Timestamp;
    use serde_json::{Value, json};

    fn windowed() -> CallRate {
        let row = RateRow::new(2, "49".parse().unwrap(), Money::from_nanos(12_000_000));
        let day = RateRow { from_minute: 480, to_minute: 1200, initial_block: 60, ..row.clone() };
        let later = RateRow { step_start: 600, increment: 60, ..day.clone() };
        let tariff = Tariff::compile([row, day, later]).unwrap();
        let terms = PlanTerms { zone: TimeZone::get("Europe/Berlin").unwrap(), ..PlanTerms::default() };
        let plan = PricedTariff::new(Arc::new(tariff), Vec::new(), Arc::new(terms));
        plan.rate("4930123".parse().unwrap(), Timestamp::UNIX_EPOCH).unwrap()
    }

    fn read(value: Value) -> Result<CallRate, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn the_form_is_the_documented_one() {
        let json = serde_json::to_value(windowed()).unwrap();
        assert_eq!(json["windows"][1]["steps"], json!([[0, 1, 12_000_000], [600, 60, 12_000_000]]));
        assert_eq!(json["zone"], json!("Europe/Berlin"));
        assert_eq!(json["week"][1], json!([480, 1]));
        assert_eq!(json["rounding"], json!("half-up"));
        let documented = json!({
            "v": 1, "prefix": "4915", "deck_prefix": "49", "destination": "Germany", "rounding": "half-up",
            "decimals": 6, "duration_rounding": "up", "block_rounding": "after_initial",
            "windows": [{"connect_fee": 0, "initial_block": 60, "steps": [[0, 60, 12_000_000], [600, 1, 6_000_000]]}],
        });
        let rate = read(documented.clone()).unwrap();
        assert_eq!(serde_json::to_value(&rate).unwrap(), documented);
        let hold = rate.hold(601, AnswerRange::at(Timestamp::UNIX_EPOCH)).unwrap();
        assert_eq!(hold.nanos(), 120_100_000);
    }

    #[test]
    fn what_no_tariff_could_have_made_is_refused() {
        let whole = serde_json::to_value(windowed()).unwrap();
        assert!(read(whole.clone()).is_ok());
        for (pointer, value) in [
            ("/v", json!(2)),
            ("/prefix", json!("")),
            ("/deck_prefix", json!("4x")),
            ("/decimals", json!(10)),
            ("/zone", json!("Europe/Nowhere")),
            ("/zone", Value::Null),
            ("/week", json!([[1, 0]])),
            ("/week", json!([[0, 0], [480, 2]])),
            ("/week", json!([[0, 0], [480, 1], [480, 0]])),
            ("/week", json!([[0, 0], [10_080, 1]])),
            ("/windows", json!([])),
            ("/windows/0/connect_fee", json!(-1)),
            ("/windows/0/connect_fee", json!(0.5)),
            ("/windows/0/initial_block", json!(86_401)),
            ("/windows/0/steps", json!([])),
            ("/windows/0/steps/0/0", json!(1)),
            ("/windows/0/steps/0/1", json!(0)),
            ("/windows/0/steps/0/2", json!(-1)),
            ("/windows/1/steps/1/0", json!(0)),
        ] {
            let mut changed = whole.clone();
            *changed.pointer_mut(pointer).unwrap() = value.clone();
            assert!(read(changed).is_err(), "{pointer} = {value}");
        }
        let mut unknown = whole;
        unknown["currency"] = json!("EUR");
        assert!(read(unknown).is_err());
    }
}
