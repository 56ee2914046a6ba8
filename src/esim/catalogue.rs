//! The catalogue: the upstream's packages as they were last read, with the operator's prices, in memory and in the store.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use tollgate_rating::Money;

use super::price::{Buyer, Markups, Prices, Unsold, prices, upstream_amount};
use super::upstream::{Country, ListedPackage};
use crate::catalog::fx::Rate;
use crate::store::esim::{EsimPackageRow, EsimPrice};
use crate::store::{Store, StoreError};

/// Packages written in one transaction: settlements wait for no more.
const AT_ONCE: usize = 100;
/// Words of a search.
const MAX_WORDS: usize = 10;

/// A package, ready to be found and sold.
#[derive(Clone, Debug)]
pub struct Package {
    /// As it is kept.
    pub row: EsimPackageRow,
    /// ISO 3166 codes of its countries.
    pub locations: Vec<String>,
    /// Its networks by country.
    pub coverage: Vec<Country>,
    /// The text that it is found by: its names, its code, its countries' names, in lower case.
    words: String,
}

impl Package {
    fn new(row: EsimPackageRow) -> Self {
        // Written by this program; what cannot be read back is only not shown.
        let coverage: Vec<Country> = serde_json::from_str(&row.coverage).unwrap_or_default();
        let mut words = [row.name.as_str(), &row.code, &row.slug, &row.description].join("\n").to_lowercase();
        for country in &coverage {
            words.push('\n');
            words.push_str(&country.name.to_lowercase());
        }
        let locations = row.locations.split(',').filter(|code| !code.is_empty()).map(str::to_owned).collect();
        Self { row, locations, coverage, words }
    }

    /// Reports whether the upstream still lists it.
    pub fn is_listed(&self) -> bool {
        self.row.gone == 0
    }

    /// Reports whether each of these words, in small letters, is in its names, or is a country's code.
    fn matches(&self, words: &[String]) -> bool {
        words.iter().all(|word| {
            self.words.contains(word.as_str())
                || self.locations.iter().any(|code| code.eq_ignore_ascii_case(word))
        })
    }
}

/// All packages and fixed prices at a moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// By code.
    packages: BTreeMap<String, Package>,
    /// Currencies of the upstream's prices.
    currencies: BTreeSet<String>,
    fixed: HashMap<String, EsimPrice>,
}

/// Exchange rates into the wallets' currency at an instant.
#[derive(Debug)]
pub struct Rates {
    wallets: String,
    rates: HashMap<String, Rate>,
}

impl Rates {
    /// The rates in force now of the currencies that packages are sold in: one or two.
    pub async fn read(
        store: &Store,
        snapshot: &Snapshot,
        wallets: &str,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let mut rates = HashMap::new();
        for currency in snapshot.currencies.iter().filter(|currency| *currency != wallets) {
            let line = store.fx_rate_in_force(currency, wallets, now).await?;
            if let Some(rate) = line.and_then(|line| Rate::from_pico(line.rate_pico)) {
                rates.insert(currency.clone(), rate);
            }
        }
        Ok(Self { wallets: wallets.to_owned(), rates })
    }

    /// The rate of a currency; none where it is the wallets' own.
    fn of(&self, currency: &str) -> Result<Option<Rate>, Unsold> {
        if currency == self.wallets {
            return Ok(None);
        }
        self.rates.get(currency).copied().map(Some).ok_or(Unsold::NoRate)
    }

    /// An amount of the upstream's in the wallets' currency.
    pub fn amount(&self, price_e4: i64, currency: &str) -> Option<Money> {
        let amount = upstream_amount(price_e4)?;
        match self.of(currency).ok()? {
            Some(rate) => rate.convert(amount),
            None => Some(amount),
        }
    }
}

impl Snapshot {
    /// Loads the catalogue from the store.
    pub async fn load(store: &Store) -> Result<Self, StoreError> {
        let rows = store.esim_packages().await?;
        let currencies = rows.iter().map(|row| row.currency.clone()).collect();
        let packages = rows.into_iter().map(|row| (row.code.clone(), Package::new(row))).collect();
        let fixed = store.esim_prices().await?;
        let fixed = fixed.into_iter().map(|price| (price.package_code.clone(), price)).collect();
        Ok(Self { packages, currencies, fixed })
    }

    /// A package by its code, listed or not.
    pub fn package(&self, code: &str) -> Option<&Package> {
        self.packages.get(code)
    }

    /// Every package, by code.
    pub fn packages(&self) -> impl Iterator<Item = &Package> {
        self.packages.values()
    }

    /// The prices that were fixed for a package.
    pub fn fixed(&self, code: &str) -> Option<&EsimPrice> {
        self.fixed.get(code)
    }

    /// The prices of a package.
    pub fn prices(&self, package: &Package, rates: &Rates, markups: Markups) -> Result<Prices, Unsold> {
        self.prices_with(package, rates, markups, self.fixed(&package.row.code))
    }

    /// The prices that a package would have with other fixed prices.
    pub fn prices_with(
        &self,
        package: &Package,
        rates: &Rates,
        markups: Markups,
        fixed: Option<&EsimPrice>,
    ) -> Result<Prices, Unsold> {
        if !package.is_listed() {
            return Err(Unsold::Gone);
        }
        prices(package.row.price_e4, rates.of(&package.row.currency)?, markups, fixed)
    }

    /// The packages that have all of the words of `q`, by code; those that are not listed any more too.
    pub fn matching(&self, q: &str) -> impl Iterator<Item = &Package> {
        let words: Vec<String> = q.split_whitespace().take(MAX_WORDS).map(str::to_lowercase).collect();
        self.packages.values().filter(move |package| package.matches(&words))
    }

    /// The packages that a buyer can buy and that match all words of `q`, the cheapest first; of one price
    /// by code.
    pub fn search(&self, q: &str, buyer: Buyer, rates: &Rates, markups: Markups) -> Vec<(&Package, Money)> {
        let mut found: Vec<(&Package, Money)> = self
            .matching(q)
            .filter_map(|package| {
                let price = self.prices(package, rates, markups).and_then(|prices| prices.of(buyer)).ok()?;
                Some((package, price))
            })
            .collect();
        // Stable: they come by code.
        found.sort_by_key(|(_, price)| *price);
        found
    }
}

/// The changes of a synchronization.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    /// Packages that can be bought upstream.
    pub listed: usize,
    /// Of them new, or not as they were.
    pub changed: usize,
    /// Packages that are not listed any more.
    pub gone: usize,
}

/// Writes the upstream's list over what is kept.
pub async fn write(
    store: &Store,
    known: &Snapshot,
    listed: Vec<ListedPackage>,
    now: Timestamp,
) -> Result<Synced, StoreError> {
    let rows: BTreeMap<String, EsimPackageRow> =
        listed.into_iter().map(|package| (package.code.clone(), row(package))).collect();
    let changed: Vec<&EsimPackageRow> = rows
        .values()
        .filter(|row| known.package(&row.code).is_none_or(|package| package.row != **row))
        .collect();
    let gone: Vec<&str> = known
        .packages()
        .filter(|package| package.is_listed() && !rows.contains_key(&package.row.code))
        .map(|package| package.row.code.as_str())
        .collect();
    for some in changed.chunks(AT_ONCE) {
        let mut tx = store.begin().await?;
        tx.catalog_ids(0).await?;
        for row in some {
            tx.put_esim_package(row, now).await?;
        }
        tx.commit().await?;
    }
    for some in gone.chunks(AT_ONCE) {
        let mut tx = store.begin().await?;
        tx.catalog_ids(0).await?;
        for code in some {
            tx.esim_package_is_gone(code).await?;
        }
        tx.commit().await?;
    }
    Ok(Synced { listed: rows.len(), changed: changed.len(), gone: gone.len() })
}

fn row(package: ListedPackage) -> EsimPackageRow {
    EsimPackageRow {
        coverage: serde_json::to_string(&package.coverage).unwrap_or_else(|_| "[]".to_owned()),
        locations: package.locations.join(","),
        code: package.code,
        slug: package.slug,
        name: package.name,
        description: package.description,
        price_e4: package.price_e4,
        currency: package.currency,
        volume_bytes: package.volume_bytes,
        duration: package.duration,
        duration_unit: package.duration_unit,
        gone: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(code: &str, name: &str, countries: &[(&str, &str)]) -> Package {
        let coverage = countries.iter().map(|(code, name)| Country {
            name: (*name).to_owned(),
            code: Some((*code).to_owned()),
            networks: Vec::new(),
        });
        Package::new(row(ListedPackage {
            code: code.to_owned(),
            slug: "EU-35_1_7".to_owned(),
            name: name.to_owned(),
            description: String::new(),
            price_e4: 6_200,
            currency: "USD".to_owned(),
            volume_bytes: 1,
            duration: 7,
            duration_unit: "DAY".to_owned(),
            locations: countries.iter().map(|(code, _)| (*code).to_owned()).collect(),
            coverage: coverage.collect(),
        }))
    }

    #[test]
    fn every_word_must_match_a_name_a_code_or_a_country() {
        let europe =
            package("P2CYMUS93", "Europe (35 areas) 1GB 7Days", &[("DE", "Germany"), ("FR", "France")]);
        let finds =
            |q: &str| europe.matches(&q.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>());
        for q in ["", "Europe", "eUROPE 1gb", "germany", "p2cymus93", "eu-35_1_7", "fr", "Germany France"] {
            assert!(finds(q), "{q}");
        }
        for q in ["Asia", "Europe 3GB", "germany japan", "%", "_x"] {
            assert!(!finds(q), "{q}");
        }
    }
}
