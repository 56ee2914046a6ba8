//! What an operator sets up, through the operations that the command line calls.

use tollgate::accounts::clients;
use tollgate::accounts::clients::NewClient;
use tollgate::accounts::ops::{self, AccountChange, AccountView, NewReseller, OpsError};
use tollgate::catalog::TariffKind;
use tollgate::catalog::admin::plans::{self, Basis, PlanSpec};
use tollgate::catalog::admin::tariffs::{self, Import};
use tollgate::catalog::admin::trunks::{self, TrunkSpec};
use tollgate::catalog::deck::ColumnMap;
use tollgate::clock::Clock as _;
use tollgate_rating::Money;
use tollgate_rating::plan::Markup;

use super::TestApp;
use super::decks;

/// An amount from its decimal text.
pub(crate) fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

impl TestApp {
    /// The usual house: reseller `acme` (wholesale) with client `alice` (20 % more), two carriers; both accounts rich.
    pub(crate) async fn furnish(&self) {
        self.tariff("sold", decks::SOLD).await;
        self.tariff("carrier-a", decks::CARRIER_A).await;
        self.tariff("carrier-b", decks::CARRIER_B).await;
        self.plan("wholesale", Basis::Tariff("sold".to_owned())).await;
        self.derived_plan("retail", "wholesale", "20").await;
        self.trunk(TrunkSpec::new("first", "first-endpoint", "carrier-a")).await;
        self.trunk(TrunkSpec {
            host: Some("sip.second.example".to_owned()),
            ..TrunkSpec::new("second", "second-endpoint", "carrier-b")
        })
        .await;
        self.reseller("acme", "wholesale", None).await;
        self.client("alice", Some("acme"), "retail").await;
        self.credit("acme", "100").await;
        self.credit("alice", "100").await;
    }

    /// Imports a deck, as a new tariff or as a new version of a known one.
    pub(crate) async fn tariff(&self, name: &str, deck: &'static str) {
        let import = Import {
            name: name.to_owned(),
            kind: TariffKind::Voice,
            currency: None,
            columns: ColumnMap::default(),
            dry_run: false,
        };
        let wallets = "EUR".parse().unwrap();
        tariffs::import(&self.services.store, &*self.clock, wallets, deck.as_bytes(), import).await.unwrap();
        self.refresh().await;
    }

    /// Imports a deck of messages and lets a plan sell it.
    pub(crate) async fn sell_messages(&self, plan: &str, tariff: &str, deck: &'static str) {
        let import = Import {
            name: tariff.to_owned(),
            kind: TariffKind::Sms,
            currency: None,
            columns: ColumnMap::default(),
            dry_run: false,
        };
        let wallets = "EUR".parse().unwrap();
        tariffs::import(&self.services.store, &*self.clock, wallets, deck.as_bytes(), import).await.unwrap();
        plans::set_sms_tariff(&self.services.store, plan, Some(tariff), self.clock.now()).await.unwrap();
        self.refresh().await;
    }

    pub(crate) async fn plan(&self, name: &str, basis: Basis) {
        let spec = PlanSpec::new(name, basis);
        plans::create(&self.services.store, &spec, self.clock.now()).await.unwrap();
        self.refresh().await;
    }

    pub(crate) async fn derived_plan(&self, name: &str, base: &str, percent: &str) {
        let markup: Markup = percent.parse().unwrap();
        self.plan(name, Basis::Plan { name: base.to_owned(), markup }).await;
    }

    pub(crate) async fn markup(&self, plan: &str, percent: &str) {
        let markup: Markup = percent.parse().unwrap();
        plans::set_markup(&self.services.store, plan, markup, self.clock.now()).await.unwrap();
        self.refresh().await;
    }

    pub(crate) async fn trunk(&self, spec: TrunkSpec) {
        trunks::create(&self.services.store, &spec, self.clock.now()).await.unwrap();
        self.refresh().await;
    }

    pub(crate) async fn reseller(&self, login: &str, plan: &str, parent: Option<&str>) {
        let new = NewReseller {
            login: login.to_owned(),
            plan: plan.to_owned(),
            parent: parent.map(str::to_owned),
            credit_limit: None,
        };
        ops::create_reseller(&self.services, new).await.unwrap();
    }

    pub(crate) async fn client(&self, login: &str, reseller: Option<&str>, plan: &str) {
        let new = NewClient {
            login: Some(login.to_owned()),
            reseller: reseller.map(str::to_owned),
            plan: plan.to_owned(),
            credit_limit: None,
        };
        clients::create_client(&self.services, new).await.unwrap();
    }

    pub(crate) async fn credit(&self, login: &str, amount: &str) {
        ops::credit(&self.services, login, money(amount), "test").await.unwrap();
    }

    /// Gives or takes so much that exactly this is left.
    pub(crate) async fn leave(&self, login: &str, amount: &str) {
        let balance = self.show(login).await.balance;
        let change = money(amount).checked_sub(balance).unwrap();
        if change != Money::ZERO {
            ops::credit(&self.services, login, change, "test").await.unwrap();
        }
    }

    pub(crate) async fn set(&self, login: &str, change: AccountChange) {
        self.try_set(login, change).await.unwrap();
    }

    pub(crate) async fn try_set(&self, login: &str, change: AccountChange) -> Result<AccountView, OpsError> {
        ops::set(&self.services, login, change).await
    }

    pub(crate) async fn show(&self, login: &str) -> AccountView {
        ops::show(&self.services, login).await.unwrap()
    }

    pub(crate) async fn balance(&self, login: &str) -> String {
        self.show(login).await.balance.to_string()
    }

    pub(crate) async fn held(&self, login: &str) -> String {
        self.show(login).await.held.to_string()
    }

    async fn refresh(&self) {
        self.calls.catalog.refresh().await.unwrap();
    }
}
