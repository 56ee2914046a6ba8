//! Money and percentages, as text and as JSON: exact, and only plain decimals.
#![no_main]

use rust_decimal::Decimal;
use tollgate::api::amount::{Amount, D4, Num, PercentIn};
use tollgate_rating::Money;
use tollgate_rating::plan::{Markup, BlockRounding};

tollgate_fuzz::target!(|text: &str| {
    let plain = text.strip_prefix('-').unwrap_or(text);
    let is_plain = !plain.is_empty() && plain.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if let Ok(amount) = Money::parse(text) {
        assert!(is_plain);
        assert_eq!(Money::parse(&amount.to_string()), Ok(amount));
        assert_eq!(Money::from_decimal(amount.to_decimal()), Ok(amount));
        if let Ok(decimal) = Decimal::from_str_exact(text) {
            assert_eq!(decimal.normalize(), amount.to_decimal());
        }
        assert_eq!(Money::parse_non_negative(text).is_ok(), !amount.is_negative());
        // As answers show it.
        let shown = D4(amount).to_string();
        assert_eq!(Money::parse(&shown), Ok(amount));
        assert!(shown.split_once('.').is_some_and(|(_, decimals)| decimals.len() >= 4));
        let number = serde_json::to_string(&Num(amount)).unwrap();
        assert_eq!(serde_json::from_str::<Amount>(&number).unwrap().0, amount);
    }
    if let Ok(Amount(amount)) = serde_json::from_str::<Amount>(text) {
        let inner: serde_json::Value = serde_json::from_str(text).unwrap();
        assert!(inner.is_number() || inner.is_string());
        if let Some(said) = inner.as_str() {
            assert_eq!(Money::parse(said), Ok(amount));
        } else {
            assert_eq!(Money::parse(text.trim()), Ok(amount));
        }
    }
    if let Ok(markup) = text.parse::<Markup>() {
        assert!(is_plain && markup.millionths() <= Markup::MAX_PERCENT * 10_000);
        assert_eq!(markup.to_string().parse(), Ok(markup));
        let price = Money::from_nanos(1_234_567_891);
        assert!(markup.apply(price).is_none_or(|dearer| dearer >= price));
    }
    if let Ok(PercentIn(markup)) = serde_json::from_str::<PercentIn>(text) {
        assert!(markup.millionths() <= Markup::MAX_PERCENT * 10_000);
    }
    if let Ok(rounding) = text.parse::<BlockRounding>() {
        assert_eq!(rounding.to_string().parse(), Ok(rounding));
    }
});
