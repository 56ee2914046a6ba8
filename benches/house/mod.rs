//! A whole service for the benchmarks to ask: the sample decks, resellers with clients, two carriers, in a database of
//! its own. Also how they measure.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on ends")]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tollgate::accounts::clients;
use tollgate::accounts::clients::NewClient;
use tollgate::accounts::ops::{self, NewReseller};
use tollgate::calls::Calls;
use tollgate::calls::authorize::rates;
use tollgate::catalog::TariffKind;
use tollgate::catalog::admin::plans::{self, Basis, PlanSpec};
use tollgate::catalog::admin::tariffs::{self, Import};
use tollgate::catalog::admin::trunks::{self, TrunkSpec};
use tollgate::catalog::deck::ColumnMap;
use tollgate::clock::{Clock, SystemClock};
use tollgate::config::Config;
use tollgate::directory::Account;
use tollgate::ledger::CallKey;
use tollgate::services::Services;
use tollgate::services::ownership;
use tollgate_rating::plan::Markup;
use tollgate_rating::{E164, Money};

/// Resellers; every one has [`CLIENTS_EACH`] clients.
const RESELLERS: usize = 8;
/// Clients of a reseller.
const CLIENTS_EACH: usize = 8;
/// Credit of every account: enough for the longest calls of a whole round.
const CREDIT: &str = "100000000";

/// The service. Dropping it leaves nothing behind.
pub(crate) struct House {
    /// Its calls.
    pub(crate) calls: Arc<Calls>,
    /// What it works with.
    pub(crate) services: Arc<Services>,
    /// Every client's login, reseller by reseller.
    pub(crate) clients: Vec<String>,
    /// Numbers that can be called, beginning as the deck's prefixes do.
    pub(crate) numbers: Vec<E164>,
    stop: CancellationToken,
    _dir: TempDir,
}

impl House {
    /// Opens a database, fills it as an operator would, and begins to own it.
    pub(crate) async fn open(numbers: usize) -> Self {
        Self::open_with(numbers, Arc::new(SystemClock::new())).await
    }

    /// As [`House::open`], with the clock given.
    pub(crate) async fn open_with(numbers: usize, clock: Arc<dyn Clock>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.database.url = format!("sqlite://{}", dir.path().join("bench.db").display()).into();
        // Benchmarks ask more often than anybody may.
        config.http.key_requests_per_minute = u32::MAX;
        config.limits.changes_per_minute = u32::MAX;
        config.limits.changes_per_day = u32::MAX;
        let services = Arc::new(Services::open_with(Arc::new(config), clock).await.unwrap());
        fill_catalog(&services).await;
        let clients = fill_accounts(&services).await;
        let calls = Calls::start(&services).await.unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(ownership::keep(
            services.store.clone(),
            Arc::clone(&services.clock),
            Arc::clone(&services.ownership),
            services.ledger().await.unwrap().clone(),
            stop.clone(),
        ));
        let mut house = Self { calls, services, clients, numbers: Vec::new(), stop, _dir: dir };
        house.numbers = house.callable(numbers);
        house
    }

    /// The client's account by its place in [`House::clients`].
    pub(crate) fn client(&self, place: usize) -> Arc<Account> {
        let login = &self.clients[place];
        self.calls.directory.peer(login).expect("every client has a SIP account").account
    }

    /// Numbers under random prefixes of the deck that both payers have a rate for and a carrier takes.
    fn callable(&self, count: usize) -> Vec<E164> {
        let prefixes = prefixes(&deck("world-wholesale"));
        let chain = self.client(0).chain();
        let snapshot = self.calls.catalog.snapshot();
        let now = self.services.clock.now();
        let mut random = Random::default();
        let mut numbers = Vec::with_capacity(count);
        for _ in 0..count * 4 {
            if numbers.len() == count {
                break;
            }
            let prefix = &prefixes[random.below(prefixes.len())];
            let digits = prefix.len().max(10) + 1;
            let mut text = prefix.clone();
            while text.len() < digits.min(15) {
                text.push(char::from(b'0' + u8::try_from(random.below(10)).unwrap()));
            }
            let number: E164 = text.parse().unwrap();
            let Ok(sold) = rates(&snapshot, &chain, number, now) else { continue };
            let request = self.calls.route_request(&chain, number, &sold[sold.len() - 1], 14_400);
            if !snapshot.routes(&request).is_empty() {
                numbers.push(number);
            }
        }
        assert!(numbers.len() == count, "most of the deck can be called");
        numbers
    }

    /// Ends calls as if their grants had never reached Asterisk, many in one commit.
    pub(crate) async fn void_all(&self, keys: &[CallKey]) {
        futures::future::join_all(keys.iter().map(|key| self.calls.void(key))).await;
    }

    /// Writes what is queued and ends.
    pub(crate) async fn close(self) {
        self.stop.cancel();
        self.services.close().await;
    }
}

async fn fill_catalog(services: &Services) {
    let wallets = services.currency().parse().unwrap();
    for (name, file) in
        [("wholesale", "world-wholesale"), ("carrier-a", "world-carrier-a"), ("carrier-b", "world-carrier-b")]
    {
        let import = Import {
            name: name.to_owned(),
            kind: TariffKind::Voice,
            currency: None,
            columns: ColumnMap::default(),
            dry_run: false,
        };
        let file = File::open(deck(file)).unwrap();
        let imported =
            tariffs::import(&services.store, &*services.clock, wallets, file, import).await.unwrap();
        assert!(name != "wholesale" || imported.prefixes >= 60_000, "the deck has at least 60,000 prefixes");
    }
    let now = services.clock.now();
    let wholesale = PlanSpec::new("WHOLESALE", Basis::Tariff("wholesale".to_owned()));
    plans::create(&services.store, &wholesale, now).await.unwrap();
    let markup: Markup = "20".parse().unwrap();
    let retail = PlanSpec::new("RETAIL", Basis::Plan { name: "WHOLESALE".to_owned(), markup });
    plans::create(&services.store, &retail, now).await.unwrap();
    for name in ["carrier-a", "carrier-b"] {
        let host = Some(format!("{name}.example.net"));
        let trunk = TrunkSpec { host, ..TrunkSpec::new(name, name, name) };
        trunks::create(&services.store, &trunk, now).await.unwrap();
    }
}

async fn fill_accounts(services: &Services) -> Vec<String> {
    let credit: Money = CREDIT.parse().unwrap();
    let mut clients = Vec::with_capacity(RESELLERS * CLIENTS_EACH);
    for reseller in 0..RESELLERS {
        let login = format!("reseller{reseller}");
        let new = NewReseller {
            login: login.clone(),
            plan: "WHOLESALE".to_owned(),
            parent: None,
            credit_limit: None,
        };
        ops::create_reseller(services, new).await.unwrap();
        ops::credit(services, &login, credit, "benchmark").await.unwrap();
        for place in 0..CLIENTS_EACH {
            let client = format!("1{reseller:02}{place:03}");
            let new = NewClient {
                login: Some(client.clone()),
                reseller: Some(login.clone()),
                plan: "RETAIL".to_owned(),
                credit_limit: None,
            };
            clients::create_client(services, new).await.unwrap();
            ops::credit(services, &client, credit, "benchmark").await.unwrap();
            clients.push(client);
        }
    }
    clients
}

fn deck(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("decks").join(name).with_extension("csv")
}

fn prefixes(file: &Path) -> Vec<String> {
    let mut reader = csv::Reader::from_path(file).unwrap();
    reader.records().map(|row| row.unwrap()[0].to_owned()).collect()
}

/// The same sequence in every run (xorshift), so that runs can be compared.
pub(crate) struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Random {
    /// A number below a bound.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap_or(1)).unwrap_or_default()
    }
}

/// A ratio with two decimals.
pub(crate) fn ratio(over: u64, under: u64) -> String {
    let hundredths = over.saturating_mul(100) / under.max(1);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Whether the program was started to measure: `cargo test --all-targets` starts it too, only to see that it starts.
pub(crate) fn is_asked_to_measure() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}
