//! The fields of a deck's rows: strict, bounded, and clear about what is wrong.
//!
//! Nothing is guessed: a decimal comma, a thousands separator, an exponent or a date in another order is an error, because
//! each of them has a reading that bills the wrong price.

use tollgate_rating::{
    Money,
    prefix::Prefix,
    tariff::{DAY_MINUTES, Days, MAX_BLOCK_SECONDS, MAX_PRICE, ValidityBound},
};

/// The reason for which a field is invalid, for the report of the import.
pub(super) type Reason = String;

/// Digits after the decimal point that a price may have: a nano-unit is the smallest amount.
const PRICE_DECIMALS: usize = 9;
/// The longest destination name kept, in characters.
const MAX_DESTINATION: usize = 100;

/// How much of a bad field an error quotes.
const QUOTED: usize = 40;

fn quote(field: &[u8]) -> String {
    let text = String::from_utf8_lossy(field);
    let mut shown: String = text.chars().take(QUOTED).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

/// International digits, a leading `+` allowed.
pub(super) fn prefix(field: &[u8]) -> Result<Prefix, Reason> {
    prefix_of([field, b""])
}

/// A prefix whose digits are divided over two columns.
pub(super) fn prefix_of(parts: [&[u8]; 2]) -> Result<Prefix, Reason> {
    let [first, second] = parts;
    let first = first.strip_prefix(b"+").unwrap_or(first);
    let mut value = 0_u64;
    let mut len = 0_u8;
    for digit in first.iter().chain(second) {
        if !digit.is_ascii_digit() {
            let whole = [first, second].concat();
            return Err(format!("{} is not a prefix: only the digits 0 to 9 can stand in it", quote(&whole)));
        }
        if len == tollgate_rating::prefix::MAX_DIGITS {
            return Err("a prefix has at most 15 digits".to_owned());
        }
        value = value * 10 + u64::from(digit - b'0');
        len += 1;
    }
    if len == 0 {
        return Err("a prefix is required".to_owned());
    }
    if first.first().or(second.first()) == Some(&b'0') {
        return Err("a prefix begins with a country code, never with 0".to_owned());
    }
    Prefix::new(value, len).ok_or_else(|| "not a prefix".to_owned())
}

/// A price, fee or charge: `digits[.digits]`, at most nine decimals, never negative.
pub(super) fn price(field: &[u8]) -> Result<Money, Reason> {
    let mut nanos = 0_i64;
    let mut decimals: Option<usize> = None;
    let mut digits_before = 0_usize;
    let not_a_price = || {
        if field.starts_with(b"-") && field.len() > 1 {
            return "a price is never negative".to_owned();
        }
        format!(
            "{} is not a price: digits with at most {PRICE_DECIMALS} decimals, such as 0.0125",
            quote(field)
        )
    };
    let too_large = || format!("{} is too large for a price", quote(field));
    for byte in field {
        match (byte, &mut decimals) {
            (b'0'..=b'9', places) => {
                match places {
                    Some(count) if *count == PRICE_DECIMALS => return Err(not_a_price()),
                    Some(count) => *count += 1,
                    None => digits_before += 1,
                }
                nanos = nanos
                    .checked_mul(10)
                    .and_then(|nanos| nanos.checked_add(i64::from(byte - b'0')))
                    .ok_or_else(too_large)?;
            }
            (b'.', places @ None) if digits_before > 0 => *places = Some(0),
            _ => return Err(not_a_price()),
        }
    }
    if digits_before == 0 || decimals == Some(0) {
        return Err(not_a_price());
    }
    for _ in decimals.unwrap_or(0)..PRICE_DECIMALS {
        nanos = nanos.checked_mul(10).ok_or_else(too_large)?;
    }
    let price = Money::from_nanos(nanos);
    if price > MAX_PRICE { Err(too_large()) } else { Ok(price) }
}

/// A whole number of seconds, at most `most`.
pub(super) fn seconds(field: &[u8], most: u32) -> Result<u32, Reason> {
    let wrong = || format!("{} is not a whole number of seconds", quote(field));
    if field.is_empty() || !field.iter().all(u8::is_ascii_digit) {
        return Err(wrong());
    }
    let mut value = 0_u32;
    for digit in field {
        value = value.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
    }
    if value > most {
        return Err(format!("{} is more than {most} seconds", quote(field)));
    }
    Ok(value)
}

/// A first block and an increment in one field: `60/60`, `30-6`, or one number for both.
pub(super) fn blocks(field: &[u8]) -> Result<(u32, u32), Reason> {
    let separators = [b'/', b'-', b'+', b':'];
    let Some(at) = field.iter().position(|byte| separators.contains(byte)) else {
        return seconds(field, MAX_BLOCK_SECONDS).map(|both| (both, both));
    };
    let (first, rest) = field.split_at(at);
    let wrong = |_| format!("{} is not a billing increment such as 60/60", quote(field));
    let first = seconds(first.trim_ascii(), MAX_BLOCK_SECONDS).map_err(wrong)?;
    let next = rest.get(1..).unwrap_or_default().trim_ascii();
    let next = seconds(next, MAX_BLOCK_SECONDS).map_err(wrong)?;
    Ok((first, next))
}

/// ISO days of the week: `1-5`, `6,7`, `1, 3-5`.
pub(super) fn days(field: &[u8]) -> Result<Days, Reason> {
    let text: String = String::from_utf8_lossy(field).split(' ').collect();
    text.parse().map_err(|_| {
        format!("{} is not a list of days such as 1-5 or 6,7 (1 is Monday, 7 Sunday)", quote(field))
    })
}

/// Minutes after midnight of a time of day, `08:00`; seconds must be zero; `24:00` only where it is an end.
pub(super) fn time_of_day(field: &[u8], may_be_midnight_end: bool) -> Result<u16, Reason> {
    let wrong = || format!("{} is not a time of day such as 08:00", quote(field));
    let minutes = match field {
        [hour @ b'0'..=b'9', b':', rest @ ..] => (u16::from(hour - b'0'), rest),
        [tens @ b'0'..=b'9', hour @ b'0'..=b'9', b':', rest @ ..] => {
            (u16::from(tens - b'0') * 10 + u16::from(hour - b'0'), rest)
        }
        _ => return Err(wrong()),
    };
    let (hours, rest) = minutes;
    let minutes = match rest {
        [tens @ b'0'..=b'5', one @ b'0'..=b'9']
        | [tens @ b'0'..=b'5', one @ b'0'..=b'9', b':', b'0', b'0'] => {
            u16::from(tens - b'0') * 10 + u16::from(one - b'0')
        }
        _ => return Err(wrong()),
    };
    let total = hours * 60 + minutes;
    let last = if may_be_midnight_end { DAY_MINUTES } else { DAY_MINUTES - 1 };
    if total > last { Err(wrong()) } else { Ok(total) }
}

/// `2026-07-01`, or an RFC 3339 time with its offset; `MySQL`'s `2026-07-01 00:00:00` is that day, its zero date nothing.
pub(super) fn bound(field: &[u8]) -> Result<Option<ValidityBound>, Reason> {
    let text = std::str::from_utf8(field).unwrap_or_default();
    let text = text.strip_suffix(" 00:00:00").unwrap_or(text);
    if text == "0000-00-00" {
        return Ok(None);
    }
    // A local time without an offset has no single reading, and a date in another order has two.
    text.parse().map(Some).map_err(|_| {
        format!(
            "{} is neither a date such as 2026-07-01 nor a time such as 2026-07-01T08:00:00Z",
            quote(field)
        )
    })
}

/// Yes or no.
pub(super) fn flag(field: &[u8]) -> Result<bool, Reason> {
    let is = |words: &[&str]| words.iter().any(|word| field.eq_ignore_ascii_case(word.as_bytes()));
    if is(&["1", "yes", "y", "true", "t"]) {
        Ok(true)
    } else if is(&["0", "no", "n", "false", "f"]) {
        Ok(false)
    } else {
        Err(format!("{} is neither yes nor no", quote(field)))
    }
}

/// A destination's name: UTF-8, one line, at most a hundred characters.
pub(super) fn destination(field: &[u8]) -> Result<&str, Reason> {
    let text = std::str::from_utf8(field).map_err(|_| "a destination name must be UTF-8 text".to_owned())?;
    if text.len() > MAX_DESTINATION && text.chars().count() > MAX_DESTINATION {
        return Err(format!(
            "a destination name has at most {MAX_DESTINATION} characters (is a quotation mark left open?)"
        ));
    }
    // Only bytes below 0x20, 0x7f and the two-byte C1 controls can be control characters.
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f || byte == 0xc2) && text.contains(char::is_control)
    {
        return Err("a destination name holds no line breaks or control characters".to_owned());
    }
    Ok(text)
}

/// A price term that Tollgate does not have: empty or zero is no term at all.
pub(super) fn nothing(field: &[u8]) -> Result<(), Reason> {
    if field.iter().all(|byte| matches!(byte, b'0' | b'.')) {
        return Ok(());
    }
    Err(format!(
        "{} is a price term without a counterpart here; to import without it, ignore its column",
        quote(field)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prices_are_plain_decimals() {
        let nanos = |text: &str| price(text.as_bytes()).map(Money::nanos);
        assert_eq!(nanos("0"), Ok(0));
        assert_eq!(nanos("0.0125"), Ok(12_500_000));
        assert_eq!(nanos("12.000000001"), Ok(12_000_000_001));
        assert_eq!(nanos("007"), Ok(7_000_000_000));
        assert_eq!(nanos("1000000"), Ok(MAX_PRICE.nanos()));
        assert!(nanos("1000000.000000001").unwrap_err().contains("too large"));
        assert!(nanos("9223372036.854775808").unwrap_err().contains("too large"));
        assert!(nanos("99999999999").unwrap_err().contains("too large"));
        assert_eq!(nanos("-1").unwrap_err(), "a price is never negative");
        for bad in
            ["", ".", ".5", "5.", "1,5", "1_000", "1e5", "+1", "0.0000000001", "1.2.3", " 1", "٣", "NaN", "-"]
        {
            assert!(nanos(bad).unwrap_err().contains("is not a price"), "{bad}");
        }
    }

    #[test]
    fn prefixes_are_international_digits() {
        let text = |field: &str| prefix(field.as_bytes()).map(|prefix| prefix.to_string());
        assert_eq!(text("49151").unwrap(), "49151");
        assert_eq!(text("+1").unwrap(), "1");
        assert_eq!(text("999999999999999").unwrap(), "999999999999999");
        for bad in ["", "+", "0049", "4.9E+10", "49 151", "9999999999999999", "default", "49-1"] {
            assert!(text(bad).is_err(), "{bad}");
        }
        assert_eq!(prefix_of([b"44", b""]).unwrap().to_string(), "44");
        assert_eq!(prefix_of([b"44", b"020"]).unwrap().to_string(), "44020");
    }

    #[test]
    fn blocks_stand_in_one_field() {
        assert_eq!(blocks(b"60/60"), Ok((60, 60)));
        assert_eq!(blocks(b"30 - 6"), Ok((30, 6)));
        assert_eq!(blocks(b"1"), Ok((1, 1)));
        assert!(blocks(b"60/").is_err());
        assert!(blocks(b"60/60/60").is_err());
        assert!(blocks(b"").is_err());
        assert!(seconds(b"86401", MAX_BLOCK_SECONDS).is_err());
        assert!(seconds(b"4294967297", u32::MAX - 1).is_err());
    }

    #[test]
    fn days_are_iso_numbers() {
        assert_eq!(days(b"1-5").map(Days::bits), Ok(0b001_1111));
        assert_eq!(days(b"1, 3-4").map(Days::bits), Ok(0b000_1101));
        for bad in [&b"0"[..], b"8", b"5-1", b"", b"Mon", b"1-", b","] {
            assert!(days(bad).is_err(), "{}", quote(bad));
        }
    }

    #[test]
    fn times_are_minutes() {
        assert_eq!(time_of_day(b"08:30", false), Ok(510));
        assert_eq!(time_of_day(b"8:30:00", false), Ok(510));
        assert_eq!(time_of_day(b"24:00", true), Ok(DAY_MINUTES));
        for bad in [&b"24:00"[..], b"8", b"08:60", b"08:00:01", b"0800", b"-1:00", b"99:00"] {
            assert!(time_of_day(bad, false).is_err(), "{}", quote(bad));
        }
        assert!(time_of_day(b"24:01", true).is_err());
    }

    #[test]
    fn validity_is_a_day_or_an_instant() {
        let day = ValidityBound::Date(jiff::civil::date(2026, 7, 1));
        assert_eq!(bound(b"2026-07-01"), Ok(Some(day)));
        assert_eq!(bound(b"2026-07-01 00:00:00"), Ok(Some(day)));
        assert_eq!(bound(b"0000-00-00 00:00:00"), Ok(None));
        assert!(matches!(bound(b"2026-07-01T08:00:00+02:00"), Ok(Some(ValidityBound::Instant(_)))));
        for bad in
            ["01/07/2026", "2026-7-1", "2026-02-30", "2026-07-01 08:00:00", "2026-07-01T08:00:00", "tomorrow"]
        {
            assert!(bound(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn destinations_are_one_line_of_text() {
        assert_eq!(destination("Côte d’Ivoire".as_bytes()).unwrap(), "Côte d’Ivoire");
        assert!(destination(b"a\nb").is_err());
        assert!(destination("a\u{85}b".as_bytes()).is_err());
        assert!(destination(b"\xff").is_err());
        assert!(destination("é".repeat(101).as_bytes()).is_err());
        assert!(destination("é".repeat(100).as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panicking(field in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = prefix(&field);
            let _ = price(&field);
            let _ = seconds(&field, MAX_BLOCK_SECONDS);
            let _ = blocks(&field);
            let _ = days(&field);
            let _ = time_of_day(&field, true);
            let _ = bound(&field);
            let _ = flag(&field);
            let _ = destination(&field);
            let _ = nothing(&field);
        }

        #[test]
        fn a_price_reads_back_as_printed(nanos in 0..=MAX_PRICE.nanos()) {
            let money = Money::from_nanos(nanos);
            prop_assert_eq!(price(money.to_string().as_bytes()), Ok(money));
        }
    }
}
