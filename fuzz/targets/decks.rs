//! Decks: the first line names columns as `--columns` does, the rest is the file. What is accepted is written in its
//! canonical form and read back as the same deck.
#![no_main]

use tollgate::catalog::TariffKind;
use tollgate::catalog::deck::{ColumnMap, Deck, DeckError, diff, write};
use tollgate_rating::tariff::MAX_PRICE;

tollgate_fuzz::target!(|data: &[u8]| {
    let Some(at) = data.iter().position(|byte| *byte == b'\n') else { return };
    let (first, file) = (&data[..at], &data[at + 1..]);
    let Ok(first) = std::str::from_utf8(first) else { return };
    let (kind, columns) = match first.strip_prefix('m') {
        Some(columns) => (TariffKind::Sms, columns),
        None => (TariffKind::Voice, first),
    };
    let Ok(map) = columns.parse::<ColumnMap>() else { return };
    let lines = 1 + file.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
    let tariff = match Deck::read_as(kind, file, &map) {
        Ok(deck) => {
            assert!(deck.rows.len() < lines, "a row stands in a line of its own");
            assert!(deck.rows.iter().all(|row| !row.price_per_minute.is_negative()));
            assert!(deck.rows.iter().all(|row| row.price_per_minute <= MAX_PRICE));
            assert!(deck.rows.iter().all(|row| !row.destination.chars().any(char::is_control)));
            match deck.compile() {
                Ok(tariff) => tariff,
                Err(error) => return check_error(&error),
            }
        }
        Err(error) => return check_error(&error),
    };
    let (text, kind) = match kind {
        TariffKind::Sms => (write::to_sms_csv(tariff.rows()), TariffKind::Sms),
        kind => (write::to_csv(tariff.rows()), kind),
    };
    let again = Deck::read_as(kind, text.as_bytes(), &ColumnMap::default());
    let again = again.and_then(Deck::compile).unwrap_or_else(|error| panic!("{error}: {text:?}"));
    let change = diff(tariff.rows(), again.rows());
    assert!(change.is_empty(), "{change:?}");
});

fn check_error(error: &DeckError) {
    let text = error.to_string();
    assert!(!text.is_empty());
    if let DeckError::Rows { errors, .. } = error {
        assert!(errors.total > 0 && errors.first.len() <= 100);
    }
}
