//! Reading a deck: CSV in, typed rows out, and every bad row reported.

use std::collections::BTreeSet;
use std::io::{self, Read};

use csv::ByteRecord;
use tollgate_rating::{
    Money,
    prefix::Prefix,
    tariff::{DeckErrors, MAX_BLOCK_SECONDS, MAX_STEP_START, RateRow, Tariff},
};

use super::column::Column;
use super::columns::{ColumnMap, HeaderError, Layout};
use super::fields::{self, Reason};
use crate::catalog::TariffKind;

/// The most rows a deck may have: five times the largest decks carriers send, and still under two gigabytes of memory.
pub const MAX_ROWS: usize = 5_000_000;
/// How much of the file is looked at to tell its separator: more than any header row.
const SNIFFED_BYTES: u64 = 64 * 1024;

/// A deck that was read without an error.
#[derive(Debug)]
pub struct Deck {
    /// The rows in the file's order.
    pub rows: Vec<RateRow>,
    /// The header of each column.
    pub layout: Layout,
}

/// Why a deck cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeckError {
    /// The header row leaves doubt.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// Rows are wrong.
    #[error("{errors}")]
    Rows {
        /// The first hundred and how many there are.
        errors: DeckErrors,
        /// For the deck's own names of the columns.
        layout: Box<Layout>,
    },
    /// There are more rows than [`MAX_ROWS`].
    #[error("the deck has more than {MAX_ROWS} rows")]
    TooManyRows,
    /// The deck has a header and nothing else: importing it would take every price away.
    #[error("the deck has no rows")]
    NoRows,
    /// The file cannot be read.
    #[error("the deck cannot be read: {0}")]
    Read(#[from] io::Error),
}

impl Deck {
    /// Reads a deck of calls, or one in the form in which decks are stored. All its rows are looked at, also after an error.
    pub fn read(input: impl Read, map: &ColumnMap) -> Result<Self, DeckError> {
        Self::read_as(TariffKind::Voice, input, map)
    }

    /// Reads a deck of that kind.
    pub fn read_as(kind: TariffKind, input: impl Read, map: &ColumnMap) -> Result<Self, DeckError> {
        let (mut reader, layout) = open(kind, input, map)?;
        let parser = RowParser::new(&layout);
        let mut errors = DeckErrors::default();
        let mut rows = Vec::new();
        let mut doubtful = BTreeSet::new();
        let mut record = ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(into_io)? {
            if record.iter().all(|field| field.trim_ascii().is_empty()) {
                continue;
            }
            let line = record.position().map_or(0, csv::Position::line);
            match parser.row(line, &record, &mut errors) {
                Some(row) => rows.push(row),
                None => doubtful.extend(parser.prefix(&record)),
            }
            if rows.len() > MAX_ROWS {
                return Err(DeckError::TooManyRows);
            }
        }
        if errors.total == 0 {
            return if rows.is_empty() { Err(DeckError::NoRows) } else { Ok(Self { rows, layout }) };
        }
        // Errors of compiling the good rows belong in the same report, unless a bad row may be their cause.
        let sound: Vec<RateRow> = rows.into_iter().filter(|row| !doubtful.contains(&row.prefix)).collect();
        if let Err(more) = Tariff::compile(sound) {
            errors.merge(more);
        }
        Err(rows_error(errors, layout))
    }

    /// Checks the rows against each other and makes them a tariff.
    pub fn compile(self) -> Result<Tariff, DeckError> {
        let layout = self.layout;
        Tariff::compile(self.rows).map_err(|errors| rows_error(errors, layout))
    }
}

fn rows_error(errors: DeckErrors, layout: Layout) -> DeckError {
    // Sorted and cut to a hundred by the same call that every report goes through.
    let errors = errors.into_result(()).err().unwrap_or_default();
    DeckError::Rows { errors, layout: Box::new(layout) }
}

fn into_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, format!("{other:?}")),
    }
}

type Input<R> = io::Chain<io::Cursor<Vec<u8>>, R>;

fn open<R: Read>(
    kind: TariffKind,
    mut input: R,
    map: &ColumnMap,
) -> Result<(csv::Reader<Input<R>>, Layout), DeckError> {
    let mut head = Vec::new();
    input.by_ref().take(SNIFFED_BYTES).read_to_end(&mut head)?;
    if head.starts_with(b"\xef\xbb\xbf") {
        head.drain(..3);
    }
    let delimiter = separator(&head);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .buffer_capacity(256 * 1024)
        .from_reader(io::Cursor::new(head).chain(input));
    let header = reader.byte_headers().map_err(into_io)?;
    let headers: Option<Vec<String>> = header
        .iter()
        .map(|field| std::str::from_utf8(field).ok().map(|text| text.trim().to_owned()))
        .collect();
    let headers = headers.ok_or(HeaderError::NotUtf8)?;
    if headers.iter().all(String::is_empty) {
        return Err(HeaderError::Empty.into());
    }
    Ok((reader, Layout::new(headers, map, kind)?))
}

/// The separator of the header row: comma, or whichever of semicolon and tab it has more of.
fn separator(head: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0_usize), (b';', 0), (b'\t', 0)];
    let mut begun = false;
    for byte in head {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted && begun => break,
            byte => {
                if let Some((_, count)) =
                    counts.iter_mut().find(|(separator, _)| separator == byte && !quoted)
                {
                    *count += 1;
                }
            }
        }
        begun |= !byte.is_ascii_whitespace();
    }
    let mut best = counts[0];
    for candidate in counts {
        if candidate.1 > best.1 {
            best = candidate;
        }
    }
    best.0
}

/// Reads rows of one layout.
struct RowParser<'a> {
    layout: &'a Layout,
    prefix: Option<usize>,
    country: Option<usize>,
    area: Option<usize>,
    price: Option<usize>,
    destination: Option<usize>,
    /// The other columns that the deck has.
    others: Vec<(Column, usize)>,
}

impl<'a> RowParser<'a> {
    fn new(layout: &'a Layout) -> Self {
        const OTHERS: [Column; 17] = [
            Column::ConnectFee,
            Column::InitialBlock,
            Column::Increment,
            Column::Blocks,
            Column::StepStart,
            Column::Days,
            Column::FromTime,
            Column::ToTime,
            Column::ValidFrom,
            Column::ValidUntil,
            Column::FreeBelow,
            Column::FreeShorterThan,
            Column::AdditionalTime,
            Column::MinCharge,
            Column::MaxCharge,
            Column::Blocked,
            Column::Unsupported,
        ];
        Self {
            layout,
            prefix: layout.position(Column::Prefix),
            country: layout.position(Column::CountryCode),
            area: layout.position(Column::AreaCode),
            price: layout.position(Column::PricePerMinute),
            destination: layout.position(Column::Destination),
            others: OTHERS
                .into_iter()
                .filter_map(|column| layout.position(column).map(|at| (column, at)))
                .collect(),
        }
    }

    fn prefix(&self, record: &ByteRecord) -> Result<Prefix, Reason> {
        let field = |at: Option<usize>| at.and_then(|at| record.get(at)).unwrap_or_default().trim_ascii();
        if self.prefix.is_some() {
            fields::prefix(field(self.prefix))
        } else {
            fields::prefix_of([field(self.country), field(self.area)])
        }
    }

    /// The row, or `None` where an error was recorded. Every bad field of the row is.
    fn row(&self, line: u64, record: &ByteRecord, errors: &mut DeckErrors) -> Option<RateRow> {
        if record.len() != self.layout.width() {
            let reason = format!("{} fields, but the header has {}", record.len(), self.layout.width());
            errors.push(line, "row", reason);
            return None;
        }
        let before = errors.total;
        let field = |at: Option<usize>| at.and_then(|at| record.get(at)).unwrap_or_default().trim_ascii();

        let prefix = self.prefix(record).map_err(|reason| errors.push(line, "prefix", reason)).ok();
        let price_field = field(self.price);
        let mut price = None;
        if !price_field.is_empty() {
            price = fields::price(price_field)
                .map_err(|reason| errors.push(line, Column::PricePerMinute.name(), reason))
                .ok();
        }
        // A zero prefix never leaves this function: without a prefix there is an error.
        let mut row = RateRow::new(line, prefix.or(Prefix::new(0, 1))?, price.unwrap_or(Money::ZERO));
        match fields::destination(field(self.destination)) {
            Ok(name) => row.destination = name.into(),
            Err(reason) => errors.push(line, Column::Destination.name(), reason),
        }
        for (column, at) in &self.others {
            let value = field(Some(*at));
            if value.is_empty() {
                continue;
            }
            if let Err(reason) = set(&mut row, *column, value, self.layout) {
                errors.push(line, column.name(), reason);
            }
        }
        for at in self.layout.unsupported() {
            if let Err(reason) = fields::nothing(field(Some(*at))) {
                errors.push(line, "ignore", format!("{}: {reason}", self.layout.header(*at)));
            }
        }
        if price_field.is_empty() && !row.blocked {
            errors.push(line, Column::PricePerMinute.name(), "a price is required".to_owned());
        }
        (errors.total == before).then_some(row)
    }
}

/// Reports whether a block of 0 seconds means "by the second": `MagnusBilling` and `A2Billing` write it so.
fn zero_is_one(layout: &Layout, column: Column) -> bool {
    let header = layout.header_of(column).to_ascii_lowercase();
    ["initblock", "billingblock", "buyrateinitblock", "buyrateincrement"].contains(&header.as_str())
}

fn set(row: &mut RateRow, column: Column, field: &[u8], layout: &Layout) -> Result<(), Reason> {
    let seconds = || fields::seconds(field, MAX_BLOCK_SECONDS);
    match column {
        Column::ConnectFee => row.connect_fee = fields::price(field)?,
        Column::InitialBlock => {
            row.initial_block = seconds()?;
            if row.initial_block == 0 && zero_is_one(layout, column) {
                row.initial_block = 1;
            }
        }
        Column::Increment => {
            // `60/60` under "Increment" says both blocks, where no other column says the first.
            if field.contains(&b'/') && layout.position(Column::InitialBlock).is_none() {
                (row.initial_block, row.increment) = fields::blocks(field)?;
                return Ok(());
            }
            row.increment = seconds()?;
            if row.increment == 0 && zero_is_one(layout, column) {
                row.increment = 1;
            }
        }
        Column::Blocks => {
            let (first, next) = fields::blocks(field)?;
            row.increment = next;
            if layout.position(Column::InitialBlock).is_none() {
                row.initial_block = first;
            } else if first != next && first != row.initial_block {
                return Err("the first block differs from that of the other column".to_owned());
            }
        }
        Column::StepStart => row.step_start = fields::seconds(field, MAX_STEP_START)?,
        Column::Days => row.days = fields::days(field)?,
        Column::FromTime => row.from_minute = fields::time_of_day(field, false)?,
        Column::ToTime => row.to_minute = fields::time_of_day(field, true)?,
        Column::ValidFrom => row.valid_from = fields::bound(field)?,
        Column::ValidUntil => row.valid_until = fields::bound(field)?,
        Column::FreeBelow => row.free_below = seconds()?,
        Column::FreeShorterThan => row.free_below = seconds()?.saturating_sub(1),
        Column::AdditionalTime => row.additional_time = seconds()?,
        Column::MinCharge => row.min_charge = Some(fields::price(field)?),
        Column::MaxCharge => row.max_charge = Some(fields::price(field)?),
        Column::Blocked => row.blocked = fields::flag(field)?,
        Column::Prefix
        | Column::CountryCode
        | Column::AreaCode
        | Column::PricePerMinute
        | Column::Destination
        | Column::Unsupported => {}
    }
    Ok(())
}
