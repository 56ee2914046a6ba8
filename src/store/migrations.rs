//! The migrations of the schema: each runs once, in order, in its own transaction, and is never changed afterwards.

use sha2::{Digest as _, Sha256};

use super::{Session as _, Side, Store, StoreError, Tx, on, to_micros};
use crate::secrets::hex;

/// A migration in both dialects.
struct Migration {
    version: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! migration {
    ($version:literal, $name:literal) => {
        Migration {
            version: $version,
            name: $name,
            sqlite: include_str!(concat!("../../sql/migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../../sql/migrations/postgres/", $name, ".sql")),
        }
    };
}

/// All migrations. Append new ones at the end.
const MIGRATIONS: &[Migration] = &[
    migration!(1, "0001_ledger"),
    migration!(2, "0002_catalog"),
    migration!(3, "0003_accounts"),
    migration!(4, "0004_peers"),
    migration!(5, "0005_live_calls"),
    migration!(6, "0006_api"),
    migration!(7, "0007_sms_prices"),
    migration!(8, "0008_messages"),
    migration!(9, "0009_esim"),
    migration!(10, "0010_call_corrections"),
    migration!(11, "0011_unpaid_rows"),
    migration!(12, "0012_spending_days"),
    migration!(13, "0013_ip_approval"),
    migration!(14, "0014_owner"),
];

/// An arbitrary number that nothing else locks: two nodes that start at once migrate one after the other.
const POSTGRES_LOCK: &str = "SELECT pg_advisory_xact_lock(7300115921)";

impl Store {
    /// Migrates the schema to this program's version, and creates the next months' partitions on `PostgreSQL`.
    ///
    /// A database of a newer program, or one with modified migrations, is refused and left unchanged.
    pub async fn migrate(&self, now: jiff::Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin_schema_change().await?;
        on!(&mut tx, c => sqlx::raw_sql(include_str!("../../sql/queries/migrations_table.sql")).execute(c).await.map(drop))?;
        tx.commit().await?;
        for migration in MIGRATIONS {
            self.apply(migration, now).await?;
        }
        let mut reader = self.reader().await?;
        let (newest,): (i64,) = on!(&mut reader, c => sqlx::query_as(include_str!("../../sql/queries/migrations_newest.sql")).fetch_one(c).await)?;
        let known = MIGRATIONS.last().map_or(0, |last| last.version);
        if newest > known {
            let reason = format!("the database is newer than this program, which knows {known} steps");
            return Err(StoreError::Migration { version: newest, reason });
        }
        drop(reader);
        self.make_partitions(now).await?;
        Ok(())
    }

    /// Begins a transaction for a schema change; these are serialized across processes.
    pub(super) async fn begin_schema_change(&self) -> Result<Tx, StoreError> {
        let mut tx = self.begin().await?;
        if let Side::Postgres(connection) = tx.side() {
            sqlx::query(POSTGRES_LOCK).execute(connection).await?;
        }
        Ok(tx)
    }

    async fn apply(&self, migration: &Migration, now: jiff::Timestamp) -> Result<(), StoreError> {
        let text = if self.is_postgres() { migration.postgres } else { migration.sqlite };
        let checksum = hex(&Sha256::digest(text));
        let version = migration.version;
        let mut tx = self.begin_schema_change().await?;
        let applied: Option<(String,)> = on!(&mut tx, c => sqlx::query_as(include_str!("../../sql/queries/migrations_applied.sql")).bind(version).fetch_optional(c).await)?;
        if let Some((recorded,)) = applied {
            if recorded != checksum {
                let reason = "it was applied with another text than this program holds".to_owned();
                return Err(StoreError::Migration { version, reason });
            }
            return tx.rollback().await;
        }
        on!(&mut tx, c => sqlx::raw_sql(text).execute(c).await.map(drop))
            .map_err(|error| StoreError::Migration { version, reason: error.to_string() })?;
        on!(&mut tx, c => sqlx::query(include_str!("../../sql/queries/migrations_record.sql"))
            .bind(version).bind(migration.name).bind(&checksum).bind(to_micros(now)).execute(c).await.map(drop))?;
        tx.commit().await
    }
}
