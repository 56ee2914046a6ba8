//! Which column of a deck is which: our own names, and those of the systems and carriers decks come from.

use std::collections::BTreeMap;
use std::fmt;

use super::column::{Column, squeeze};
use super::headers::{Certainty, Recognised, is_buying, recognise};
use crate::catalog::TariffKind;

/// The columns an operator names himself: `prefix=Code,price_per_minute=Rate`.
///
/// A name without a header (`from_time=`) takes that column from nowhere; `ignore=Header` leaves a header out.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct ColumnMap {
    named: BTreeMap<Column, Option<String>>,
    ignored: Vec<String>,
}

impl std::str::FromStr for ColumnMap {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        let mut map = Self::default();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let Some((name, header)) = pair.split_once('=') else {
                return Err(HeaderError::BadMapping { pair: pair.to_owned() });
            };
            let (name, header) = (name.trim(), header.trim());
            if squeeze(name) == "ignore" && !header.is_empty() {
                map.ignored.push(header.to_owned());
                continue;
            }
            let Some(column) = Column::from_name(name) else {
                return Err(HeaderError::UnknownColumn { name: name.to_owned() });
            };
            let target = (!header.is_empty()).then(|| header.to_owned());
            if map.named.insert(column, target).is_some() {
                return Err(HeaderError::MappedTwice { name: column.name() });
            }
        }
        Ok(map)
    }
}

/// Why a header row, or a `--columns` mapping, cannot be used. Nothing of the deck is read then.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HeaderError {
    /// The file holds no header row.
    #[error("the deck is empty: a header row with at least a prefix and a price is required")]
    Empty,
    /// The header row is not UTF-8.
    #[error("the header row is not UTF-8 text")]
    NotUtf8,
    /// A required column is missing.
    #[error("no column for {name} among the headers {headers}; name it with --columns {name}=HEADER")]
    Missing {
        /// The column.
        name: &'static str,
        /// The headers of the deck, quoted and joined.
        headers: String,
    },
    /// Several headers could be the column.
    #[error("the headers {headers} could each be {name}; choose one with --columns {name}=HEADER")]
    Ambiguous {
        /// The column.
        name: &'static str,
        /// The headers, quoted and joined.
        headers: String,
    },
    /// A deck of messages has a column that only calls have.
    #[error(
        "{header:?} is a term of calls, which a deck of messages does not have; leave it out with --columns ignore=HEADER"
    )]
    OfCalls {
        /// The header as written.
        header: String,
    },
    /// The same header occurs twice in the deck.
    #[error("the header {header:?} stands twice")]
    Duplicate {
        /// The header as written.
        header: String,
    },
    /// A mapping names a header that the deck does not have.
    #[error("--columns names the header {header:?}, which the deck does not have; it has {headers}")]
    NoSuchHeader {
        /// The header asked for.
        header: String,
        /// The headers of the deck, quoted and joined.
        headers: String,
    },
    /// A mapping is not `column=Header`.
    #[error("--columns takes column=Header pairs, not {pair:?}")]
    BadMapping {
        /// The pair.
        pair: String,
    },
    /// A mapping names a column that decks do not have.
    #[error("--columns names {name:?}, which is no column of a deck")]
    UnknownColumn {
        /// The name.
        name: String,
    },
    /// A mapping names the same column twice.
    #[error("--columns names {name} twice")]
    MappedTwice {
        /// The column.
        name: &'static str,
    },
}

/// The position of each column in the rows of a deck.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Position of each column that the deck has; `Unsupported` ones are apart.
    positions: BTreeMap<Column, usize>,
    /// Headers whose values must be empty or zero.
    unsupported: Vec<usize>,
    headers: Vec<String>,
    ignored: Vec<String>,
}

struct Quoted<'a>(&'a [String]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, header) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{header:?}")?;
        }
        Ok(())
    }
}

impl Layout {
    /// Reads the header row of a deck of that kind.
    pub fn new(headers: Vec<String>, map: &ColumnMap, kind: TariffKind) -> Result<Self, HeaderError> {
        let squeezed: Vec<String> = headers.iter().map(|header| squeeze(header)).collect();
        for (at, name) in squeezed.iter().enumerate() {
            if !name.is_empty() && squeezed.iter().take(at).any(|earlier| earlier == name) {
                return Err(HeaderError::Duplicate { header: headers[at].clone() });
            }
        }
        let find = |wanted: &str| {
            let wanted_squeezed = squeeze(wanted);
            squeezed.iter().position(|name| *name == wanted_squeezed).ok_or_else(|| {
                HeaderError::NoSuchHeader { header: wanted.to_owned(), headers: Quoted(&headers).to_string() }
            })
        };

        let mut taken = vec![false; headers.len()];
        for header in &map.ignored {
            taken[find(header)?] = true;
        }
        let mut positions = BTreeMap::new();
        for (column, header) in &map.named {
            if let Some(header) = header {
                let at = find(header)?;
                if kind == TariffKind::Sms && !column.is_of_messages() {
                    return Err(HeaderError::OfCalls { header: headers[at].clone() });
                }
                taken[at] = true;
                positions.insert(*column, at);
            }
        }

        let mut candidates: BTreeMap<Column, Vec<(usize, Certainty)>> = BTreeMap::new();
        for (at, name) in squeezed.iter().enumerate() {
            if taken[at] {
                continue;
            }
            match recognise(kind, name) {
                Recognised::Column(column, certainty) if !map.named.contains_key(&column) => {
                    candidates.entry(column).or_default().push((at, certainty));
                }
                Recognised::OfCalls => return Err(HeaderError::OfCalls { header: headers[at].clone() }),
                Recognised::Column(..) | Recognised::Nothing => {}
            }
        }
        let unsupported: Vec<usize> =
            candidates.remove(&Column::Unsupported).unwrap_or_default().iter().map(|(at, _)| *at).collect();
        if positions.contains_key(&Column::Prefix) {
            candidates.remove(&Column::CountryCode);
            candidates.remove(&Column::AreaCode);
        }
        // A2Billing and MagnusBilling keep buying and selling terms side by side (`initblock`, `buyrateinitblock`): the
        // blocks must be those of the price that was chosen.
        if let Some(found) = candidates.remove(&Column::PricePerMinute) {
            let at = Self::surest(Column::PricePerMinute, &found, &headers, kind)?;
            positions.insert(Column::PricePerMinute, at);
        }
        let buying =
            positions.get(&Column::PricePerMinute).is_some_and(|price| squeezed[*price].starts_with("buy"));
        for (column, mut found) in candidates {
            let same_side = |at: usize| is_buying(&squeezed[at]) == buying;
            if found.iter().any(|(at, _)| same_side(*at)) {
                found.retain(|(at, _)| same_side(*at));
            }
            positions.insert(column, Self::surest(column, &found, &headers, kind)?);
        }

        Self::check(&positions, &headers, kind)?;
        let used: Vec<usize> = positions.values().chain(&unsupported).copied().collect();
        let ignored = headers
            .iter()
            .enumerate()
            .filter(|(at, header)| !used.contains(at) && !header.trim().is_empty())
            .map(|(_, header)| header.clone())
            .collect();
        Ok(Self { positions, unsupported, headers, ignored })
    }

    fn surest(
        column: Column,
        found: &[(usize, Certainty)],
        headers: &[String],
        kind: TariffKind,
    ) -> Result<usize, HeaderError> {
        let best = found.iter().map(|(_, certainty)| *certainty).max().unwrap_or(Certainty::Weak);
        let mut surest = found.iter().filter(|(_, certainty)| *certainty == best).map(|(at, _)| *at);
        let first = surest.next().unwrap_or_default();
        // Two names for the destination do no harm: the first is used.
        if surest.next().is_some() && best != Certainty::Weak {
            let names: Vec<String> = found
                .iter()
                .filter(|(_, certainty)| *certainty == best)
                .map(|(at, _)| headers[*at].clone())
                .collect();
            return Err(HeaderError::Ambiguous {
                name: column.name_in(kind),
                headers: Quoted(&names).to_string(),
            });
        }
        Ok(first)
    }

    fn check(
        positions: &BTreeMap<Column, usize>,
        headers: &[String],
        kind: TariffKind,
    ) -> Result<(), HeaderError> {
        let names = |columns: &[Column]| -> Vec<String> {
            columns.iter().filter_map(|column| positions.get(column)).map(|at| headers[*at].clone()).collect()
        };
        let split = [Column::CountryCode, Column::AreaCode];
        let whole = positions.contains_key(&Column::Prefix);
        if whole && split.iter().any(|column| positions.contains_key(column)) {
            return Err(HeaderError::Ambiguous {
                name: "prefix",
                headers: Quoted(&names(&[Column::Prefix, Column::CountryCode, Column::AreaCode])).to_string(),
            });
        }
        if !whole && !split.iter().all(|column| positions.contains_key(column)) {
            return Err(HeaderError::Missing { name: "prefix", headers: Quoted(headers).to_string() });
        }
        if !positions.contains_key(&Column::PricePerMinute) {
            return Err(HeaderError::Missing {
                name: Column::PricePerMinute.name_in(kind),
                headers: Quoted(headers).to_string(),
            });
        }
        for (both, single, name) in [
            (Column::Blocks, Column::Increment, "increment"),
            (Column::FreeBelow, Column::FreeShorterThan, "free_below"),
        ] {
            if positions.contains_key(&both) && positions.contains_key(&single) {
                return Err(HeaderError::Ambiguous {
                    name,
                    headers: Quoted(&names(&[both, single])).to_string(),
                });
            }
        }
        Ok(())
    }

    /// Position of the column; `None` if the deck does not have it.
    pub fn position(&self, column: Column) -> Option<usize> {
        self.positions.get(&column).copied()
    }

    /// Positions of headers whose values must be empty or zero.
    pub fn unsupported(&self) -> &[usize] {
        &self.unsupported
    }

    /// The header at a position, as the deck writes it.
    pub fn header(&self, at: usize) -> &str {
        self.headers.get(at).map_or("", String::as_str)
    }

    /// The name of the column in errors: the deck's own header.
    pub fn header_of(&self, column: Column) -> &str {
        self.position(column).map_or(column.name(), |at| self.header(at))
    }

    /// The deck's own header for a column that an error names by our name.
    pub fn own_header(&self, name: &'static str) -> &str {
        Column::from_name(name).map_or(name, |column| self.header_of(column))
    }

    /// How many columns each row must have.
    pub fn width(&self) -> usize {
        self.headers.len()
    }

    /// Headers that mean nothing to a deck and were left out.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::deck::column::CANONICAL;

    fn layout(headers: &str, map: &str) -> Result<Layout, HeaderError> {
        Layout::new(headers.split(',').map(str::to_owned).collect(), &map.parse()?, TariffKind::Voice)
    }

    fn places(headers: &str) -> Vec<(Column, usize)> {
        layout(headers, "").unwrap().positions.into_iter().collect()
    }

    #[test]
    fn own_names_are_found_in_any_order_and_case() {
        assert_eq!(
            places("Destination,PRICE PER MINUTE, prefix "),
            [(Column::Prefix, 2), (Column::PricePerMinute, 1), (Column::Destination, 0)]
        );
    }

    #[test]
    fn every_canonical_name_is_its_own_column() {
        let all = CANONICAL.join(",");
        let layout = layout(&all, "").unwrap();
        assert_eq!(layout.positions.len(), CANONICAL.len());
        assert!(layout.ignored().is_empty());
    }

    #[test]
    fn magnusbilling_headers_are_recognised() {
        assert_eq!(
            places(
                "dialprefix,destination,rateinitial,initblock,billingblock,connectcharge,minimal_time_charge"
            ),
            [
                (Column::Prefix, 0),
                (Column::PricePerMinute, 2),
                (Column::Destination, 1),
                (Column::ConnectFee, 5),
                (Column::InitialBlock, 3),
                (Column::Increment, 4),
                (Column::FreeBelow, 6),
            ]
        );
    }

    #[test]
    fn blocks_follow_the_side_of_the_price() {
        let headers =
            "dialprefix,rateinitial,initblock,billingblock,buyrate,buyrateinitblock,buyrateincrement";
        let error = layout(headers, "").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the headers \"rateinitial\", \"buyrate\" could each be price_per_minute; choose one with --columns \
             price_per_minute=HEADER"
        );
        let sold = layout(headers, "price_per_minute=rateinitial").unwrap();
        assert_eq!(sold.position(Column::InitialBlock), Some(2));
        assert_eq!(sold.position(Column::Increment), Some(3));
        let bought = layout(headers, "price_per_minute=buyrate").unwrap();
        assert_eq!(bought.position(Column::InitialBlock), Some(5));
        assert_eq!(bought.position(Column::Increment), Some(6));
    }

    #[test]
    fn carriers_headers_are_recognised() {
        assert_eq!(
            places("Country,Description,Dial Code,Rate Per Minute,Interval 1,Interval N,Effective Date"),
            [
                (Column::Prefix, 2),
                (Column::PricePerMinute, 3),
                (Column::Destination, 1),
                (Column::InitialBlock, 4),
                (Column::Increment, 5),
                (Column::ValidFrom, 6),
            ]
        );
        assert_eq!(
            places("Country Code,Area Code,Price,Billing Increment"),
            [
                (Column::CountryCode, 0),
                (Column::AreaCode, 1),
                (Column::PricePerMinute, 2),
                (Column::Blocks, 3)
            ]
        );
    }

    #[test]
    fn a_mapping_wins_over_what_was_recognised() {
        let layout = layout("Code,Old Code,Rate", "prefix=Old Code, price_per_minute=rate").unwrap();
        assert_eq!(layout.position(Column::Prefix), Some(1));
        assert_eq!(layout.ignored(), ["Code"]);
    }

    #[test]
    fn doubtful_headers_are_named() {
        let error = |headers, map| layout(headers, map).unwrap_err().to_string();
        assert_eq!(
            error("Code,Dial Code,Rate", ""),
            "the headers \"Code\", \"Dial Code\" could each be prefix; choose one with --columns prefix=HEADER"
        );
        assert_eq!(
            error("prefix,Country Code,Area Code,rate", ""),
            "the headers \"prefix\", \"Country Code\", \"Area Code\" could each be prefix; choose one with --columns \
             prefix=HEADER"
        );
        assert_eq!(error("prefix,rate,Prefix", ""), "the header \"Prefix\" stands twice");
        assert_eq!(
            error("prefix,destination", ""),
            "no column for price_per_minute among the headers \"prefix\", \"destination\"; name it with --columns \
             price_per_minute=HEADER"
        );
        assert_eq!(
            error("prefix,rate", "prefix=Code"),
            "--columns names the header \"Code\", which the deck does not have; it has \"prefix\", \"rate\""
        );
        assert_eq!(
            error("prefix,rate", "colour=Code"),
            "--columns names \"colour\", which is no column of a deck"
        );
        assert_eq!(error("prefix,rate", "prefix"), "--columns takes column=Header pairs, not \"prefix\"");
    }

    #[test]
    fn a_column_can_be_taken_from_nowhere() {
        let layout =
            layout("prefix,rate,starttime,disconnectcharge", "from_time=,ignore=disconnectcharge").unwrap();
        assert_eq!(layout.position(Column::FromTime), None);
        assert!(layout.unsupported().is_empty());
        assert_eq!(layout.ignored(), ["starttime", "disconnectcharge"]);
    }
}
