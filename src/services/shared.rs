//! The services shared by every operation, in the running server and in a command that finds no server.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, OnceCell};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::error::ServiceError;
use super::in_doubt::InDoubtTransfers;
use super::installation::Locks;
use super::memory::{Memory, Source};
use super::ownership::Ownership;
use super::sip_passwords::set_missing_sip_passwords;
use super::spool_dir::SpoolDir;
use crate::ami::Links;
use crate::clock::{Clock, Moment, SystemClock};
use crate::config::Config;
use crate::directory::phones::Passwords;
use crate::keyed_lock::{KeyedGuard, KeyedLock};
use crate::ledger::{Ledger, LedgerLimits, Spool};
use crate::metrics::Metrics;
use crate::secrets::{Secrets, random_below};
use crate::store::{Store, StoreError};

/// The ledger's writer and spool of a process that owns the wallets.
struct Writer {
    ledger: Ledger,
    spool: Spool,
    task: Mutex<Option<JoinHandle<()>>>,
    stop: CancellationToken,
}

/// Services that operations need.
pub struct Services {
    /// The configuration.
    pub config: Arc<Config>,
    /// Clock.
    pub clock: Arc<dyn Clock>,
    /// Store with accounts and ledger.
    pub store: Store,
    /// Keys of the key file.
    pub secrets: Arc<ArcSwap<Secrets>>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// State of this process's ownership of the wallets.
    pub ownership: Arc<Ownership>,
    pub(super) locks: std::sync::Mutex<Locks>,
    writer: OnceCell<Writer>,
    memory: OnceCell<Memory>,
    /// Links to the Asterisk servers, set while this process serves.
    pub links: std::sync::OnceLock<Links>,
    /// Transfers whose commit outcome is in doubt.
    pub in_doubt: InDoubtTransfers,
    /// Serialises the transfers of each account.
    money_locks: KeyedLock<i64>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").field("loaded", &self.memory.initialized()).finish_non_exhaustive()
    }
}

impl Services {
    /// Opens the database (created and migrated if necessary) and the key file. Does not acquire the ownership.
    pub async fn open(config: Arc<Config>) -> Result<Self, ServiceError> {
        Self::open_with(config, Arc::new(SystemClock::new())).await
    }

    /// Like [`Services::open`], with the given clock.
    pub async fn open_with(config: Arc<Config>, clock: Arc<dyn Clock>) -> Result<Self, ServiceError> {
        let store = Store::open(config.database.url.reveal()).await?;
        store.migrate(clock.now()).await?;
        let secrets = open_secrets(&config, &store).await?;
        pin_currency(&config, &store).await?;
        pin_realm(&config, &store).await?;
        set_missing_sip_passwords(&store, &secrets, clock.now()).await?;
        Ok(Self {
            config,
            clock,
            store,
            secrets: Arc::new(ArcSwap::from_pointee(secrets)),
            metrics: Arc::default(),
            ownership: Arc::default(),
            locks: std::sync::Mutex::default(),
            writer: OnceCell::new(),
            memory: OnceCell::new(),
            links: std::sync::OnceLock::new(),
            in_doubt: InDoubtTransfers::default(),
            money_locks: KeyedLock::default(),
        })
    }

    /// Waits until no other transfer, voucher or payment of this account is in progress. Until the guard is dropped,
    /// its balance changes by calls alone, which do not wait for the lock.
    pub async fn lock_account(&self, account_id: i64) -> KeyedGuard<i64> {
        self.money_locks.lock(account_id).await
    }

    /// Returns the currency of the wallets.
    pub fn currency(&self) -> &str {
        &self.config.money.currency
    }

    /// Returns the keys and realm for computing digests from stored SIP passwords.
    fn passwords(&self) -> Passwords {
        Passwords { secrets: Arc::clone(&self.secrets), realm: self.config.sip.realm.clone() }
    }

    /// Returns the token for Asterisk's reads of peers: the configured one, else the current key's.
    pub fn realtime_token(&self) -> String {
        let derived = || self.secrets.load().realtime_tokens().pop().unwrap_or_default();
        let token = self.config.realtime.token.as_ref();
        token.map_or_else(derived, |token| token.reveal().to_owned())
    }

    /// Returns the tokens for reading metrics: the configured one, else one of each key, the current key's last.
    pub fn metrics_tokens(&self) -> Vec<String> {
        match &self.config.internal.metrics_token {
            Some(token) => vec![token.reveal().to_owned()],
            None => self.secrets.load().metrics_tokens(),
        }
    }

    /// Returns the ledger; acquires the ownership unless this process has it.
    pub async fn ledger(&self) -> Result<&Ledger, ServiceError> {
        if self.ownership.epoch() == 0 {
            self.lock_for_command().await?;
            self.take_ownership(None).await?;
            self.empty_spool().await?;
        }
        Ok(&self.writer().await?.ledger)
    }

    /// Opens the spool, as only the owner may, and writes the calls that an earlier process left in it to the ledger,
    /// so that balances read afterwards include them.
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

    /// Checks that no ended call waits in a directory other than the configured one, where it would never be charged.
    pub async fn check_spool_dir(&self) -> Result<(), ServiceError> {
        match self.store.meta("book").await? {
            Some(book) => SpoolDir::find(&self.config, &self.store, &book).await.map(drop),
            None => Ok(()),
        }
    }

    /// Records that this process owns the wallets, in answer to a request sent at `asked`.
    pub(super) fn owns(&self, epoch: i64, asked: Moment) {
        self.ownership.granted(epoch, asked);
        if let Some(writer) = self.writer.get() {
            writer.ledger.fence_openings(epoch);
        }
    }

    /// Returns the ledger's writer. The ownership decides about its postings.
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

    /// Returns the accounts and the catalogue in memory; the first caller loads them.
    pub async fn memory(&self) -> Result<&Memory, ServiceError> {
        self.memory.get_or_try_init(|| Memory::load(self.source(), self.passwords())).await
    }

    /// Returns the accounts and the catalogue if they are in memory already.
    pub fn memory_if_loaded(&self) -> Option<&Memory> {
        self.memory.get()
    }

    /// Reloads an account after it was created or changed; the change is in force in memory on return.
    pub async fn reload_account(&self, id: i64) -> Result<(), StoreError> {
        match self.memory.get() {
            Some(memory) => memory.reload_account(self.source(), id).await,
            None => Ok(()),
        }
    }

    fn source(&self) -> Source<'_> {
        Source { store: &self.store, clock: &*self.clock, currency: self.currency() }
    }

    /// Returns the ledger's writer and the spool before it.
    pub async fn ledger_and_spool(&self) -> Result<(Ledger, Spool), ServiceError> {
        let Writer { ledger, spool, .. } = self.writer().await?;
        Ok((ledger.clone(), spool.clone()))
    }

    /// Reports whether the ledger's writer has crashed: it has ended without being closed.
    pub async fn writer_has_ended(&self) -> bool {
        let Some(writer) = self.writer.get() else { return false };
        writer.task.lock().await.as_ref().is_some_and(JoinHandle::is_finished) && !writer.stop.is_cancelled()
    }

    /// Writes queued records and releases the ownership. No writes are possible afterwards.
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

/// Opens the key file, which is created if it is missing and the database has not recorded one.
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

/// Returns the name by which a spool identifies this database, assigned when its owner first asks for it.
async fn book_name(store: &Store) -> Result<String, StoreError> {
    if let Some(name) = store.meta("book").await? {
        return Ok(name);
    }
    let name = format!("{:016x}", random_below(u64::MAX));
    store.set_meta("book", &name).await?;
    Ok(name)
}

/// Checks that the wallets' currency is that of the first start: balances in another one would all read as zero.
async fn pin_currency(config: &Config, store: &Store) -> Result<(), ServiceError> {
    let configured = &config.money.currency;
    match store.meta("currency").await? {
        Some(currency) if currency == *configured => Ok(()),
        Some(currency) => Err(ServiceError::OtherCurrency { currency, configured: configured.clone() }),
        None => Ok(store.set_meta("currency", configured).await?),
    }
}

/// Checks that the digest realm is that of the first start: digests in phones and in Asterisk contain it.
async fn pin_realm(config: &Config, store: &Store) -> Result<(), ServiceError> {
    let configured = &config.sip.realm;
    match store.meta("sip_realm").await? {
        Some(realm) if realm == *configured => Ok(()),
        Some(realm) => Err(ServiceError::OtherRealm { realm, configured: configured.clone() }),
        None => Ok(store.set_meta("sip_realm", configured).await?),
    }
}
