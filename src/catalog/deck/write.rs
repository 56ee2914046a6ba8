//! Writing a deck in its canonical form: every column, in one order, defaults left empty.

use std::fmt::Write as _;

use tollgate_rating::{
    Money,
    tariff::{DAY_MINUTES, Days, RateRow, format_minute},
};

use super::column::CANONICAL;
use super::headers::SMS_CANONICAL;

/// Rows in one stored chunk: some hundred kilobytes, which either database writes in a few milliseconds.
pub const CHUNK_ROWS: usize = 4_000;

/// The header row, with its line's end.
pub fn header() -> String {
    let mut text = CANONICAL.join(",");
    text.push('\n');
    text
}

/// Writes a row, with a line feed.
pub fn push_row(text: &mut String, row: &RateRow) {
    // Writing to a String cannot fail.
    let _ = write!(text, "{},{},", row.prefix, row.price_per_minute);
    push_name(text, &row.destination);
    text.push(',');
    if row.connect_fee != Money::ZERO {
        let _ = write!(text, "{}", row.connect_fee);
    }
    let _ = write!(text, ",{},{},", row.initial_block, row.increment);
    push_unless_zero(text, row.step_start);
    text.push(',');
    if row.days != Days::ALL {
        push_name(text, &row.days.to_string());
    }
    text.push(',');
    if row.from_minute != 0 || row.to_minute != DAY_MINUTES {
        let _ = write!(text, "{},{}", format_minute(row.from_minute), format_minute(row.to_minute));
    } else {
        text.push(',');
    }
    push_validity(text, row);
    text.push(',');
    push_unless_zero(text, row.free_below);
    text.push(',');
    push_unless_zero(text, row.additional_time);
    for charge in [row.min_charge, row.max_charge] {
        text.push(',');
        if let Some(charge) = charge {
            let _ = write!(text, "{charge}");
        }
    }
    text.push_str(if row.blocked { ",yes\n" } else { ",\n" });
}

fn push_validity(text: &mut String, row: &RateRow) {
    for bound in [row.valid_from, row.valid_until] {
        text.push(',');
        if let Some(bound) = bound {
            let _ = write!(text, "{bound}");
        }
    }
}

fn push_unless_zero(text: &mut String, seconds: u32) {
    if seconds != 0 {
        let _ = write!(text, "{seconds}");
    }
}

/// A field that may hold a comma, quotes or spaces at its ends.
fn push_name(text: &mut String, name: &str) {
    if name.contains([',', '"', ';', '\t', '\n', '\r']) {
        text.push('"');
        for character in name.chars() {
            if character == '"' {
                text.push('"');
            }
            text.push(character);
        }
        text.push('"');
    } else {
        text.push_str(name);
    }
}

/// The whole deck as one text.
pub fn to_csv(rows: impl IntoIterator<Item = RateRow>) -> String {
    let mut text = header();
    for row in rows {
        push_row(&mut text, &row);
    }
    text
}

/// A whole deck of messages as one text.
pub fn to_sms_csv(rows: impl IntoIterator<Item = RateRow>) -> String {
    let mut text = SMS_CANONICAL.join(",");
    text.push('\n');
    for row in rows {
        let _ = write!(text, "{},{},", row.prefix, row.price_per_minute);
        push_name(&mut text, &row.destination);
        push_validity(&mut text, &row);
        text.push_str(if row.blocked { ",yes\n" } else { ",\n" });
    }
    text
}

/// The deck as chunks that each read by themselves.
pub fn to_chunks(rows: impl IntoIterator<Item = RateRow>) -> Vec<String> {
    let mut chunks = Vec::new();
    let mut chunk = header();
    let mut count = 0;
    for row in rows {
        if count == CHUNK_ROWS {
            chunks.push(std::mem::replace(&mut chunk, header()));
            count = 0;
        }
        push_row(&mut chunk, &row);
        count += 1;
    }
    if count > 0 {
        chunks.push(chunk);
    }
    chunks
}
