//! `tollgate tariff import | list | show | diff | export`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tollgate_rating::{
    prefix::Prefix,
    tariff::{DAY_MINUTES, Days, DeckErrors, RateRow, RowError, format_minute},
};

use crate::catalog::TariffKind;
use crate::catalog::admin::tariffs::{self, Import};
use crate::catalog::deck::{ColumnMap, DeckError, Layout, diff::ChangedRow};
use crate::catalog::fx::Currency;
use crate::clock::Clock;
use crate::commands::answer::{Answer, Failure, Outcome};
use crate::commands::catalog::{open_deck, refresh_catalog, wallet_currency};
use crate::services::Services;
use crate::store::{Store, from_micros};

/// `tollgate tariff …`
#[derive(Debug, Subcommand)]
pub enum TariffCommand {
    /// Import a deck: all of it becomes the tariff's new version, or nothing changes
    Import(ImportArgs),
    /// List the tariffs
    List,
    /// Show a tariff, or its rate for a prefix or number
    Show {
        /// Name of the tariff
        name: String,
        /// Digits; shows the rate of the longest prefix they begin with
        prefix: Option<String>,
    },
    /// Show the changes that importing a deck would make
    Diff {
        /// Name of the tariff
        name: String,
        /// Deck file
        file: PathBuf,
        /// Map columns to the deck's own headers
        #[arg(long, value_name = "COLUMN=HEADER,…", default_value = "")]
        columns: ColumnMap,
    },
    /// Write the current deck in the canonical form
    Export {
        /// Name of the tariff
        name: String,
    },
}

/// `tollgate tariff import …`
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Name of the tariff; created if it does not exist
    pub name: String,
    /// Deck file: CSV, UTF-8, with a header row
    pub file: PathBuf,
    /// The deck prices messages per segment: `prefix,price`
    #[arg(long)]
    pub sms: bool,
    /// Check the deck without changing anything
    #[arg(long)]
    pub dry_run: bool,
    /// Currency of the deck; for a new tariff the wallets' currency by default
    #[arg(long)]
    pub currency: Option<Currency>,
    /// Map columns to the deck's own headers: `prefix=Code,price_per_minute=Rate`
    #[arg(long, value_name = "COLUMN=HEADER,…", default_value = "")]
    pub columns: ColumnMap,
}

/// Runs a tariff command.
pub async fn run(services: &Services, command: TariffCommand) -> Outcome {
    let wallets = wallet_currency(services.currency())?;
    let outcome = run_on(&services.store, &*services.clock, wallets, command).await;
    refresh_catalog(services).await;
    outcome
}

async fn run_on(store: &Store, clock: &dyn Clock, wallets: Currency, command: TariffCommand) -> Outcome {
    match command {
        TariffCommand::Import(args) => import(store, clock, wallets, args).await,
        TariffCommand::List => list(store).await,
        TariffCommand::Show { name, prefix } => show(store, &name, prefix.as_deref()).await,
        TariffCommand::Diff { name, file, columns } => diff(store, &name, &file, columns).await,
        TariffCommand::Export { name } => {
            let csv = tariffs::export(store, &name).await?;
            Ok(Answer::new(json!({ "name": name, "csv": csv }), csv.trim_end()))
        }
    }
}

async fn import(store: &Store, clock: &dyn Clock, wallets: Currency, args: ImportArgs) -> Outcome {
    let file = open_deck(&args.file)?;
    let ImportArgs { name, sms, dry_run, currency, columns, .. } = args;
    let kind = if sms { TariffKind::Sms } else { TariffKind::Voice };
    let import = Import { name: name.clone(), kind, currency, columns, dry_run };
    let done = tariffs::import(store, clock, wallets, file, import).await.map_err(|error| {
        let mut failure = Failure::from(error);
        if let Some(details) = failure.details.as_mut().and_then(Value::as_object_mut) {
            details.extend([
                ("name".to_owned(), json!(name)),
                ("version".to_owned(), Value::Null),
                ("rows".to_owned(), json!(0)),
                ("prefixes".to_owned(), json!(0)),
            ]);
        }
        failure
    })?;
    let mut text = match done.version {
        Some((_, number)) => format!("{name} version {number}: "),
        None => format!("{name}, nothing changed (dry run): "),
    };
    let _ = write!(text, "{} rows, {} prefixes, prices in {}", done.rows, done.prefixes, done.currency);
    if !done.ignored.is_empty() {
        let _ = write!(text, "\nleft out: {}", done.ignored.join(", "));
    }
    let warning = done.missing_rate.as_ref().map(|(from, to)| {
        format!("the tariff prices nothing until an exchange rate is set: tollgate fx set {from} {to} RATE")
    });
    if let Some(warning) = &warning {
        let _ = write!(text, "\nwarning: {warning}");
    }
    let json = json!({
        "id": done.tariff_id,
        "name": name,
        "version": done.version.map(|(_, number)| number),
        "version_id": done.version.map(|(id, _)| id),
        "kind": kind.as_str(),
        "currency": done.currency,
        "rows": done.rows,
        "prefixes": done.prefixes,
        "dry_run": dry_run,
        "ignored_columns": done.ignored,
        "warning": warning,
        "errors": [],
        "error_count": 0,
    });
    Ok(Answer::new(json, text))
}

async fn list(store: &Store) -> Outcome {
    let tariffs = tariffs::list(store).await?;
    let mut text = format!(
        "{:<24} {:>7} {:>8} {:>9} {:<4} {:<5} published",
        "name", "version", "rows", "prefixes", "cur", "kind"
    );
    let mut rows = Vec::with_capacity(tariffs.len());
    for it in tariffs {
        let at = from_micros(it.created_at).to_string();
        let _ = write!(
            text,
            "\n{:<24} {:>7} {:>8} {:>9} {:<4} {:<5} {at}",
            it.name, it.number, it.row_count, it.prefix_count, it.currency, it.kind
        );
        rows.push(json!({
            "id": it.tariff_id, "name": it.name, "kind": it.kind, "version": it.number, "version_id": it.version_id,
            "rows": it.row_count, "prefixes": it.prefix_count, "currency": it.currency, "published_at": at,
            "usable": it.currency == it.priced_in || it.rate_pico.is_some(),
        }));
    }
    Ok(Answer::new(json!({ "tariffs": rows }), text))
}

async fn show(store: &Store, name: &str, prefix: Option<&str>) -> Outcome {
    let (version, tariff) = tariffs::current(store, name).await?;
    let kind = TariffKind::of(&version);
    let mut json = json!({
        "id": version.tariff_id, "name": name, "kind": kind.as_str(), "version": version.number, "version_id": version.version_id,
        "currency": version.currency, "rows": version.row_count, "prefixes": version.prefix_count,
        "published_at": from_micros(version.created_at).to_string(),
    });
    let mut text = format!(
        "{name} version {}: {} rows, {} prefixes, prices of {} in {}",
        version.number,
        version.row_count,
        version.prefix_count,
        kind.what(),
        version.currency
    );
    if let Some(asked) = prefix {
        let digits = asked.strip_prefix('+').unwrap_or(asked);
        let wanted: Prefix = digits.parse().map_err(|error| {
            Failure::new("bad_number", format!("{asked:?} is no prefix or number: {error}"))
        })?;
        let found =
            digits.parse().ok().and_then(|value| tariff.index().lookup_digits(value, wanted.digits()));
        let Some((_, found)) = found else {
            return Err(Failure::new("no_rate", format!("{name} has no rate for {asked}")));
        };
        let rows = tariff.rows_of(found);
        for row in &rows {
            let _ = write!(text, "\n{}", row_text(kind, row));
        }
        if let Some(map) = json.as_object_mut() {
            map.insert("prefix".to_owned(), json!(found.to_string()));
            map.insert("rates".to_owned(), rows.iter().map(|row| row_json(kind, row)).collect());
        }
    }
    Ok(Answer::new(json, text))
}

async fn diff(store: &Store, name: &str, file: &Path, columns: ColumnMap) -> Outcome {
    let (kind, found) = tariffs::diff_with(store, name, open_deck(file)?, columns).await?;
    let mut text = format!(
        "{} added, {} removed, {} changed, {} unchanged",
        found.added.len(),
        found.removed.len(),
        found.changed.len(),
        found.unchanged
    );
    for row in &found.added {
        let _ = write!(text, "\n+ {}", row_text(kind, row));
    }
    for row in &found.removed {
        let _ = write!(text, "\n- {}", row_text(kind, row));
    }
    for ChangedRow { old, new } in &found.changed {
        let _ = write!(text, "\n~ {}\n  now {}", row_text(kind, old), row_text(kind, new));
    }
    let changed = |change: &ChangedRow| {
        json!({
            "prefix": change.new.prefix.to_string(),
            "old": row_json(kind, &change.old),
            "new": row_json(kind, &change.new),
        })
    };
    let json = json!({
        "name": name,
        "kind": kind.as_str(),
        "added": found.added.iter().map(|row| row_json(kind, row)).collect::<Value>(),
        "removed": found.removed.iter().map(|row| row_json(kind, row)).collect::<Value>(),
        "changed": found.changed.iter().map(changed).collect::<Value>(),
        "unchanged": found.unchanged,
    });
    Ok(Answer::new(json, text))
}

/// Formats a rate with every column of a deck; empty columns are null.
fn row_json(kind: TariffKind, row: &RateRow) -> Value {
    if kind == TariffKind::Sms {
        return json!({
            "prefix": row.prefix.to_string(),
            "price": row.price_per_minute.to_string(),
            "destination": &*row.destination,
            "valid_from": row.valid_from.map(|bound| bound.to_string()),
            "valid_until": row.valid_until.map(|bound| bound.to_string()),
            "blocked": row.blocked,
        });
    }
    let all_day = row.from_minute == 0 && row.to_minute == DAY_MINUTES;
    json!({
        "prefix": row.prefix.to_string(),
        "price_per_minute": row.price_per_minute.to_string(),
        "destination": &*row.destination,
        "connect_fee": row.connect_fee.to_string(),
        "initial_block": row.initial_block,
        "increment": row.increment,
        "step_start": row.step_start,
        "days": (row.days != Days::ALL).then(|| row.days.to_string()),
        "from_time": (!all_day).then(|| format_minute(row.from_minute)),
        "to_time": (!all_day).then(|| format_minute(row.to_minute)),
        "valid_from": row.valid_from.map(|bound| bound.to_string()),
        "valid_until": row.valid_until.map(|bound| bound.to_string()),
        "free_below": row.free_below,
        "additional_time": row.additional_time,
        "min_charge": row.min_charge.map(|charge| charge.to_string()),
        "max_charge": row.max_charge.map(|charge| charge.to_string()),
        "blocked": row.blocked,
    })
}

/// Formats a rate on one line, showing only differences from the simplest rate.
fn row_text(kind: TariffKind, row: &RateRow) -> String {
    let mut text = format!("{} {}: {} a ", row.prefix, row.destination, row.price_per_minute);
    // A message rate has only its validity to show.
    let _ = match kind {
        TariffKind::Voice => write!(text, "minute, {}/{}", row.initial_block, row.increment),
        TariffKind::Sms => write!(text, "segment"),
    };
    if row.connect_fee.nanos() != 0 {
        let _ = write!(text, ", connect {}", row.connect_fee);
    }
    if row.step_start != 0 {
        let _ = write!(text, ", from second {}", row.step_start);
    }
    if row.days != Days::ALL {
        let _ = write!(text, ", days {}", row.days);
    }
    if row.from_minute != 0 || row.to_minute != DAY_MINUTES {
        let _ = write!(text, ", {}-{}", format_minute(row.from_minute), format_minute(row.to_minute));
    }
    for (word, bound) in [("from", row.valid_from), ("until", row.valid_until)] {
        if let Some(bound) = bound {
            let _ = write!(text, ", {word} {bound}");
        }
    }
    for (word, seconds) in [("free below", row.free_below), ("additional time", row.additional_time)] {
        if seconds != 0 {
            let _ = write!(text, ", {word} {seconds} s");
        }
    }
    for (word, charge) in [("at least", row.min_charge), ("at most", row.max_charge)] {
        if let Some(charge) = charge {
            let _ = write!(text, ", {word} {charge}");
        }
    }
    if row.blocked {
        text.push_str(", blocked");
    }
    text
}

/// Maximum number of bad rows shown as text; JSON contains all that were kept.
const SHOWN_ERRORS: usize = 20;

fn rows_failure(errors: &DeckErrors, layout: &Layout) -> Failure {
    let named = |error: &RowError| layout.own_header(error.column).to_owned();
    let mut message = format!("{} errors in the deck, nothing was changed", errors.total);
    for error in errors.first.iter().take(SHOWN_ERRORS) {
        let _ = write!(message, "\n  line {}, {}: {}", error.line, named(error), error.reason);
    }
    let more = errors.total.saturating_sub(SHOWN_ERRORS.min(errors.first.len()) as u64);
    if more > 0 {
        let _ = write!(message, "\n  and {more} more");
    }
    let listed = errors
        .first
        .iter()
        .map(|error| json!({ "line": error.line, "column": named(error), "reason": error.reason }));
    let mut failure = Failure::new("bad_deck", message);
    failure.details = Some(json!({ "errors": listed.collect::<Value>(), "error_count": errors.total }));
    failure
}

impl From<DeckError> for Failure {
    fn from(error: DeckError) -> Self {
        if let DeckError::Rows { errors, layout } = &error {
            return rows_failure(errors, layout);
        }
        let message = error.to_string();
        let mut failure = Self::new("bad_deck", &message);
        let listed = json!([{ "line": 1, "column": "", "reason": message }]);
        failure.details = Some(json!({ "errors": listed, "error_count": 1 }));
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use std::fs::File;
    use std::io::Write as _;

    struct Bench {
        store: Store,
        clock: ManualClock,
        files: tempfile::TempDir,
    }

    impl Bench {
        async fn new() -> Self {
            let files = tempfile::tempdir().unwrap();
            let clock = ManualClock::at("2026-11-20T10:00:00Z".parse().unwrap());
            let store =
                Store::open(&format!("sqlite://{}", files.path().join("t.db").display())).await.unwrap();
            store.migrate(clock.now()).await.unwrap();
            Self { store, clock, files }
        }

        fn file(&self, text: &str) -> PathBuf {
            let path = self.files.path().join("deck.csv");
            File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
            path
        }

        async fn run(&self, command: TariffCommand) -> Outcome {
            run_on(&self.store, &self.clock, "EUR".parse().unwrap(), command).await
        }

        async fn import(&self, text: &str, dry_run: bool) -> Outcome {
            let (file, columns) = (self.file(text), ColumnMap::default());
            let args =
                ImportArgs { name: "sell".to_owned(), file, sms: false, dry_run, currency: None, columns };
            self.run(TariffCommand::Import(args)).await
        }
    }

    #[tokio::test]
    async fn an_import_says_what_it_took() {
        let bench = Bench::new().await;
        let json = bench.import("prefix,price_per_minute\n49,0.01\n44,0.02\n", false).await.unwrap().json;
        assert_eq!((json["name"].as_str(), json["version"].as_i64()), (Some("sell"), Some(1)));
        assert_eq!((json["rows"].as_i64(), json["prefixes"].as_i64()), (Some(2), Some(2)));
        assert_eq!(json["errors"], json!([]));
        let again = bench.import("prefix,price_per_minute\n49,0.01\n", false).await.unwrap().json;
        assert_eq!(again["version"], 2);
        let listed = bench.run(TariffCommand::List).await.unwrap().json;
        assert_eq!(listed["tariffs"][0]["prefixes"], 1);
    }

    #[tokio::test]
    async fn a_refused_import_names_every_bad_row_and_changes_nothing() {
        let bench = Bench::new().await;
        let failure = bench.import("prefix,price_per_minute\n49,0.01\nx,-1\n", false).await.unwrap_err();
        let json = failure.json();
        assert_eq!(json["code"], "bad_deck");
        assert_eq!((json["version"].is_null(), json["error_count"].as_i64()), (true, Some(2)));
        assert_eq!(json["errors"][0]["line"], 3);
        assert_eq!(json["errors"][0]["column"], "prefix");
        assert_eq!(json["errors"][1]["column"], "price_per_minute");
        assert_eq!(bench.run(TariffCommand::List).await.unwrap().json["tariffs"], json!([]));
    }

    #[tokio::test]
    async fn a_dry_run_changes_nothing() {
        let bench = Bench::new().await;
        let json = bench.import("prefix,price_per_minute\n49,0.01\n", true).await.unwrap().json;
        assert_eq!((json["rows"].as_i64(), json["version"].is_null()), (Some(1), true));
        assert_eq!(bench.run(TariffCommand::List).await.unwrap().json["tariffs"], json!([]));
    }

    #[tokio::test]
    async fn show_finds_the_longest_prefix_of_a_number() {
        let bench = Bench::new().await;
        bench
            .import("prefix,price_per_minute,destination\n49,0.01,Germany\n4917,0.02,Mobile\n", false)
            .await
            .unwrap();
        let show =
            |prefix: &str| TariffCommand::Show { name: "sell".to_owned(), prefix: Some(prefix.to_owned()) };
        let json = bench.run(show("+49171234567")).await.unwrap().json;
        assert_eq!(json["prefix"], "4917");
        assert_eq!(json["rates"][0]["price_per_minute"], "0.02");
        assert_eq!(bench.run(show("33")).await.unwrap_err().code, "no_rate");
        let unknown = TariffCommand::Show { name: "buy".to_owned(), prefix: None };
        assert_eq!(bench.run(unknown).await.unwrap_err().code, "not_found");
    }

    #[tokio::test]
    async fn diff_and_export_agree_with_what_was_imported() {
        let bench = Bench::new().await;
        bench.import("prefix,price_per_minute\n49,0.01\n44,0.02\n", false).await.unwrap();
        let export = TariffCommand::Export { name: "sell".to_owned() };
        let csv = bench.run(export).await.unwrap().json["csv"].as_str().unwrap().to_owned();
        let diff =
            |file| TariffCommand::Diff { name: "sell".to_owned(), file, columns: ColumnMap::default() };
        let same = bench.run(diff(bench.file(&csv))).await.unwrap().json;
        assert_eq!((same["unchanged"].as_i64(), same["changed"].as_array().unwrap().len()), (Some(2), 0));
        let other =
            bench.run(diff(bench.file("prefix,price_per_minute\n49,0.03\n33,0.01\n"))).await.unwrap().json;
        assert_eq!(other["changed"][0]["old"]["price_per_minute"], "0.01");
        assert_eq!(other["changed"][0]["new"]["price_per_minute"], "0.03");
        assert_eq!(other["added"][0]["prefix"], "33");
        assert_eq!(other["removed"][0]["prefix"], "44");
    }
}
