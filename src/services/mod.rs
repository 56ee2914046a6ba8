//! Where operations are carried out: in the running server, or in a command that found none.
//!
//! The same operations run in both. In the server the parts are there; in a command they are opened when first
//! needed, and the ownership is taken only by what writes money.

mod installation;
pub mod lease;
mod owner_link;
pub mod ownership;
mod spool_dir;
mod takeover;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use dashmap::DashMap;
use tokio::sync::{Mutex, OnceCell, OwnedMutexGuard};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tollgate_rating::Money;

use self::installation::InstallationError;
use self::ownership::Ownership;
use self::spool_dir::SpoolDir;
use self::takeover::Locks;
use crate::accounts::money::Unsure;
use crate::accounts::ops::OpsError;
use crate::ami::Links;
use crate::calls::{CallSettings, Calls, Parts};
use crate::catalog::Catalog;
use crate::clock::{Clock, Moment, SystemClock};
use crate::config::Config;
use crate::control::client::ClientError;
use crate::control::folder::SocketError;
use crate::directory::phones::Passwords;
use crate::directory::{Account, Directory, wallet_balance};
use crate::esim::Esim;
use crate::ledger::spool::SpoolError;
use crate::ledger::{Ledger, LedgerError, LedgerLimits, Spool};
use crate::metrics::Metrics;
use crate::peers;
use crate::secrets::{Secrets, SecretsError, random_below};
use crate::store::accounts::AccountRecord;
use crate::store::{Store, StoreError};

/// The kind of changes of accounts in the feed.
pub const FEED_ACCOUNT: &str = "account";
/// Why there is no desk.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The database cannot be used.
    #[error("the database cannot be used: {0}")]
    Store(#[from] StoreError),
    /// The key file cannot be used.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The key file is not the one the database was used with.
    #[error("the key file {file} is not the one this database was used with")]
    OtherKeyFile {
        /// The file.
        file: String,
    },
    /// The wallets are in another currency than the configured one.
    #[error("the wallets of this database are in {currency}, money.currency is {configured}")]
    OtherCurrency {
        /// What they are in.
        currency: String,
        /// `money.currency`.
        configured: String,
    },
    /// The digests of this database hold another realm than the configured one.
    #[error("the SIP passwords of this database are for the realm {realm}, sip.realm is {configured}")]
    OtherRealm {
        /// What they are for.
        realm: String,
        /// `sip.realm`.
        configured: String,
    },
    /// A running server owns the wallets and does not answer.
    #[error(transparent)]
    Owner(#[from] ClientError),
    /// The command socket cannot be listened on.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// Another process owns the wallets.
    #[error("{node} owns the wallets ({address})")]
    Owned {
        /// Its node.
        node: String,
        /// Where it takes commands, or that it only runs one.
        address: String,
    },
    /// A server owns the wallets that cannot be reached from here.
    #[error(
        "the running server on {node} owns the wallets, and its command socket {path} is not on this machine: run the \
         command there"
    )]
    OwnedElsewhere {
        /// Its node.
        node: String,
        /// Its socket.
        path: String,
    },
    /// A server of this installation starts, ends or hangs: it is asked, and nothing is written behind its back.
    #[error("a server of this installation is starting or ending, or hangs: try again, or end it")]
    Starting,
    /// Another server of this installation runs.
    #[error("another server of this installation runs and owns {}", spool_dir.display())]
    Running {
        /// The spool's folder.
        spool_dir: PathBuf,
    },
    /// Another command of this installation keeps the ownership.
    #[error(
        "another command of this installation owns the wallets for more than {seconds} s: try again when it has ended"
    )]
    Busy {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The installation's lock files cannot be used.
    #[error("the installation cannot be locked: {0}")]
    Installation(#[from] InstallationError),
    /// The spool cannot be used.
    #[error("the spool of settlements cannot be used: {0}")]
    Spool(#[from] SpoolError),
    /// Ended calls lie in another folder than the configured one.
    #[error(
        "ledger.spool_dir is {configured}, but {records} ended calls that are not charged yet lie in {recorded}, the \
         folder so far: configure that one, or move its files to the other"
    )]
    OtherSpool {
        /// How many.
        records: usize,
        /// Where they are.
        recorded: String,
        /// Where they would be looked for.
        configured: String,
    },
    /// What the spool keeps cannot be written to the book.
    #[error("what the spool keeps cannot be written: {0}")]
    Drain(LedgerError),
    /// The catalogue cannot be loaded.
    #[error("the catalogue cannot be loaded: {0}")]
    Catalog(String),
}

impl ServiceError {
    /// The machine code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Store(_) | Self::Catalog(_) | Self::Drain(_) => "database",
            Self::Spool(_) | Self::OtherSpool { .. } | Self::Installation(_) => "spool",
            Self::Secrets(_) | Self::OtherKeyFile { .. } => "key_file",
            Self::OtherCurrency { .. } | Self::OtherRealm { .. } => "bad_config",
            Self::Owner(_)
            | Self::Socket(_)
            | Self::Owned { .. }
            | Self::OwnedElsewhere { .. }
            | Self::Running { .. }
            | Self::Busy { .. } => "owner",
            Self::Starting => "starting",
        }
    }
}

/// An account's money, for showing.
#[derive(Debug, Clone, Copy)]
pub struct AccountMoney {
    /// The sum of its entries.
    pub balance: Money,
    /// Set aside for open calls.
    pub held: Money,
    /// What it can still spend.
    pub available: Money,
    /// Open calls that it pays for.
    pub calls: usize,
}

/// The ledger of a process that owns.
struct Writer {
    ledger: Ledger,
    spool: Spool,
    task: Mutex<Option<JoinHandle<()>>>,
    stop: CancellationToken,
}

/// Everything operations need.
pub struct Services {
    /// The configuration.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The book.
    pub store: Store,
    /// The keys.
    pub secrets: Arc<ArcSwap<Secrets>>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether this process owns the wallets.
    pub ownership: Arc<Ownership>,
    locks: std::sync::Mutex<Locks>,
    writer: OnceCell<Writer>,
    live: OnceCell<Arc<Calls>>,
    /// The links to the Asterisk servers, while this process serves.
    pub links: std::sync::OnceLock<Links>,
    /// Movements of money of which it is not known whether the book has them.
    pub unsure: Unsure,
    /// The sale of data packages.
    pub esim: Esim,
    /// Accounts whose money is being moved, a caller at a time.
    turns: DashMap<i64, Arc<Mutex<()>>>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").field("serving", &self.live.initialized()).finish_non_exhaustive()
    }
}

impl Services {
    /// Opens the database (made and migrated where needed) and the key file. Takes no ownership.
    pub async fn open(config: Arc<Config>) -> Result<Self, ServiceError> {
        Self::open_with(config, Arc::new(SystemClock::new())).await
    }

    /// As [`Services::open`], with the clock given.
    pub async fn open_with(config: Arc<Config>, clock: Arc<dyn Clock>) -> Result<Self, ServiceError> {
        let store = Store::open(&config.database.url).await?;
        store.migrate(clock.now()).await?;
        let secrets = open_secrets(&config, &store).await?;
        pin_currency(&config, &store).await?;
        pin_realm(&config, &store).await?;
        peers::ops::give_missing_passwords(&store, &secrets, clock.now()).await?;
        Ok(Self {
            config,
            clock,
            store,
            secrets: Arc::new(ArcSwap::from_pointee(secrets)),
            metrics: Arc::default(),
            ownership: Arc::default(),
            locks: std::sync::Mutex::default(),
            writer: OnceCell::new(),
            live: OnceCell::new(),
            links: std::sync::OnceLock::new(),
            unsure: Unsure::default(),
            esim: Esim::default(),
            turns: DashMap::new(),
        })
    }

    /// Waits until nobody else moves an account's money by hand (a transfer, a voucher, a payment; calls do not wait):
    /// what is read of its balance then holds until the answer is dropped.
    pub async fn turn_of(&self, account_id: i64) -> OwnedMutexGuard<()> {
        let turn = Arc::clone(&self.turns.entry(account_id).or_default());
        turn.lock_owned().await
    }

    /// The currency of the wallets.
    pub fn currency(&self) -> &str {
        &self.config.money.currency
    }

    /// How stored SIP passwords become digests.
    fn passwords(&self) -> Passwords {
        Passwords { secrets: Arc::clone(&self.secrets), realm: self.config.sip.realm.clone() }
    }

    /// What Asterisk reads peers with: the configured token, else the current key's.
    pub fn realtime_token(&self) -> String {
        let derived = || self.secrets.load().realtime_tokens().pop().unwrap_or_default();
        self.config.realtime.token.clone().unwrap_or_else(derived)
    }

    /// The tokens that metrics may be read with: the configured one, else one of each key, the current key's last.
    pub fn metrics_tokens(&self) -> Vec<String> {
        match &self.config.internal.metrics_token {
            Some(token) => vec![token.clone()],
            None => self.secrets.load().metrics_tokens(),
        }
    }

    /// The ledger of a process that owns: takes the ownership unless this process has it.
    pub async fn ledger(&self) -> Result<&Ledger, ServiceError> {
        if self.ownership.epoch() == 0 {
            self.lock_for_command().await?;
            self.take_ownership(None).await?;
            self.empty_spool().await?;
        }
        Ok(&self.writer().await?.ledger)
    }

    /// Opens the spool, which only the owner does, and writes what an earlier process left in it, so that balances
    /// that are read afterwards include it.
    pub async fn empty_spool(&self) -> Result<(), ServiceError> {
        let spool = &self.writer().await?.spool;
        let book = book_name(&self.store).await?;
        let dir = SpoolDir::find(&self.config, &self.store, &book).await?;
        spool.open(&dir.path, &book).await?;
        dir.record(&self.store).await?;
        let mut count = 0;
        loop {
            let written = spool.write_next().await.map_err(ServiceError::Drain)?;
            if written.is_empty() {
                break;
            }
            count += written.len();
        }
        if count > 0 {
            tracing::info!(calls = count, "calls that an earlier process kept in the spool are in the book");
        }
        Ok(())
    }

    /// Sees to it that no ended call waits in another folder than the configured one, where nobody would charge it.
    pub async fn check_spool_dir(&self) -> Result<(), ServiceError> {
        match self.store.meta("book").await? {
            Some(book) => SpoolDir::find(&self.config, &self.store, &book).await.map(drop),
            None => Ok(()),
        }
    }

    /// Notes that this process owns since it asked at `asked`.
    pub(super) fn owns(&self, epoch: i64, asked: Moment) {
        self.ownership.granted(epoch, asked);
        if let Some(writer) = self.writer.get() {
            writer.ledger.fence_openings(epoch);
        }
    }

    /// The ledger's writer. What it may post is the ownership's business.
    async fn writer(&self) -> Result<&Writer, ServiceError> {
        self.writer
            .get_or_try_init(|| async {
                let stop = CancellationToken::new();
                let limits = LedgerLimits {
                    refused_per_source_day: self.config.limits.refused_cdrs_per_source,
                    refused_per_day: self.config.limits.refused_cdrs_per_day,
                    ..LedgerLimits::default()
                };
                let (ledger, task) =
                    Ledger::start(self.store.clone(), Arc::clone(&self.clock), limits, stop.clone()).await?;
                ledger.fence_openings(self.ownership.epoch());
                let spool = Spool::new(ledger.clone());
                Ok::<_, ServiceError>(Writer { ledger, spool, task: Mutex::new(Some(task)), stop })
            })
            .await
    }

    /// The calls, with the accounts and the catalogue in memory; the first asking loads them.
    pub async fn live(&self) -> Result<&Arc<Calls>, ServiceError> {
        self.live
            .get_or_try_init(|| async {
                let Writer { ledger, spool, .. } = self.writer().await?;
                // Read first: every charge up to there is in the balances that are read next.
                let read_to_cdr = self.store.head().await?.cdr_id;
                let directory = Directory::load(&self.store, self.currency(), self.passwords()).await?;
                let catalog = Catalog::load(self.store.clone(), self.currency(), self.clock.now())
                    .await
                    .map_err(|error| ServiceError::Catalog(error.to_string()))?;
                let calls = Arc::new(Calls::new(Parts {
                    settings: CallSettings::of(&self.config),
                    clock: Arc::clone(&self.clock),
                    directory: Arc::new(directory),
                    catalog,
                    ledger: ledger.clone(),
                    spool: spool.clone(),
                    store: self.store.clone(),
                    metrics: Arc::clone(&self.metrics),
                    ownership: Arc::clone(&self.ownership),
                    secrets: Arc::clone(&self.secrets),
                    read_to_cdr,
                }));
                for account in calls.directory.all() {
                    let settings = account.settings();
                    if settings.limits.daily_spend.is_some() {
                        calls.restore_spent(&account, settings.plan_id).await?;
                    }
                }
                Ok(calls)
            })
            .await
    }

    /// The calls, if they are in memory already.
    pub fn live_if_loaded(&self) -> Option<&Arc<Calls>> {
        self.live.get()
    }

    /// An account was made or changed: memory, where there is one, takes it in at once.
    pub async fn account_changed(&self, id: i64) -> Result<(), StoreError> {
        match self.live.get() {
            Some(calls) => {
                let limited = |account: &Arc<Account>| account.settings().limits.daily_spend.is_some();
                let before = calls.directory.account(id);
                let counted = before.as_ref().is_some_and(limited);
                if let Some(account) = &before
                    && let Some(record) = self.store.account_by_id(id).await?
                    && record.limits.daily_spend.is_some()
                    && !(counted && account.settings().plan_id == record.plan_id)
                {
                    // Before the change is in force: the wallet must not count a day from nothing that has begun.
                    calls.restore_spent(account, record.plan_id).await?;
                }
                calls.directory.reload(&self.store, self.currency(), id).await?;
                match calls.directory.account(id) {
                    // Wallets count what is spent under a limit by themselves, from when there is one.
                    Some(account) if !counted && limited(&account) => {
                        let plan_id = account.settings().plan_id;
                        calls.restore_spent(&account, plan_id).await
                    }
                    _ => Ok(()),
                }
            }
            None => Ok(()),
        }
    }

    /// What an account has.
    pub async fn money_of(&self, account: &AccountRecord) -> Result<AccountMoney, OpsError> {
        if let Some(calls) = self.live.get()
            && let Some(live) = calls.directory.account(account.id)
        {
            let wallet = live.wallet.snapshot();
            return Ok(AccountMoney {
                balance: wallet.balance,
                held: wallet.held,
                available: wallet.available,
                calls: usize::try_from(wallet.calls).unwrap_or(usize::MAX),
            });
        }
        // The journal first: a settlement in between then counts twice, never not at all.
        let journal = self.store.open_calls().await?;
        let balance = book_balance(&self.store, account.id, self.currency()).await?;
        let mut held = self.store.held_of(account.id).await?;
        let mut calls = 0;
        for call in journal {
            for part in call.held.iter().filter(|part| part.account_id == account.id) {
                held = held.checked_add(part.amount).unwrap_or(Money::MAX);
                calls += 1;
            }
        }
        let available = balance
            .checked_add(account.credit_limit)
            .and_then(|sum| sum.checked_sub(held))
            .unwrap_or(balance);
        Ok(AccountMoney { balance, held, available, calls })
    }

    /// Whether the ledger's writer runs no more although nobody closed it: it has crashed.
    pub async fn writer_has_ended(&self) -> bool {
        let Some(writer) = self.writer.get() else { return false };
        writer.task.lock().await.as_ref().is_some_and(JoinHandle::is_finished) && !writer.stop.is_cancelled()
    }

    /// Writes what is queued and gives the ownership up. Nothing can be written afterwards.
    pub async fn close(&self) {
        if let Some(writer) = self.writer.get() {
            writer.stop.cancel();
            let task = writer.task.lock().await.take();
            if let Some(task) = task
                && let Err(error) = task.await
            {
                tracing::error!(%error, "the ledger's writer crashed");
            }
            writer.spool.close().await;
        }
        self.give_up_ownership().await;
    }
}

/// An account's balance in the book.
pub(super) async fn book_balance(store: &Store, id: i64, currency: &str) -> Result<Money, StoreError> {
    wallet_balance(&store.balance(id, currency).await?)
}

/// The key file, made where there is none and the database knows none.
async fn open_secrets(config: &Config, store: &Store) -> Result<Secrets, ServiceError> {
    let file = config.key_file();
    let known = store.meta("key_fingerprint").await?;
    let secrets = Secrets::open(&file, known.is_none())?;
    match known {
        Some(fingerprint) if secrets.fingerprints().contains(&fingerprint) => {}
        Some(_) => return Err(ServiceError::OtherKeyFile { file: file.display().to_string() }),
        None => store.set_meta("key_fingerprint", &secrets.fingerprint()).await?,
    }
    Ok(secrets)
}

/// The name by which a spool knows this database, given when it is first asked for by its owner.
async fn book_name(store: &Store) -> Result<String, StoreError> {
    if let Some(name) = store.meta("book").await? {
        return Ok(name);
    }
    let name = format!("{:016x}", random_below(u64::MAX));
    store.set_meta("book", &name).await?;
    Ok(name)
}

/// The wallets' currency is that of the first start: balances in another one would all read as nothing.
async fn pin_currency(config: &Config, store: &Store) -> Result<(), ServiceError> {
    let configured = &config.money.currency;
    match store.meta("currency").await? {
        Some(currency) if currency == *configured => Ok(()),
        Some(currency) => Err(ServiceError::OtherCurrency { currency, configured: configured.clone() }),
        None => Ok(store.set_meta("currency", configured).await?),
    }
}

/// The digest realm is that of the first start too: digests hold it, in phones and in Asterisk.
async fn pin_realm(config: &Config, store: &Store) -> Result<(), ServiceError> {
    let configured = &config.sip.realm;
    match store.meta("sip_realm").await? {
        Some(realm) if realm == *configured => Ok(()),
        Some(realm) => Err(ServiceError::OtherRealm { realm, configured: configured.clone() }),
        None => Ok(store.set_meta("sip_realm", configured).await?),
    }
}
