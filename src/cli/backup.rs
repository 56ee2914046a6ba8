//! `tollgate backup FILE`: a consistent copy of a live embedded database.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::commands::answer::{Answer, Failure, Outcome};
use crate::config::Config;
use crate::ledger::spool::look;
use crate::store::backup::{copy_sqlite, find_corruption};

/// `tollgate backup …`
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// File to write; must not exist. Readable by its owner only
    pub file: PathBuf,
}

/// Copies the embedded database to a file, checks the copy, and makes it durable before it gets its final name.
///
/// The copy is named `FILE.partial` until complete, so that an interrupted backup cannot be mistaken for a complete
/// one.
pub async fn run(config: &Config, args: &BackupArgs) -> Outcome {
    if !config.database.url.reveal().starts_with("sqlite:") {
        let reason = "database.url is not SQLite: back up PostgreSQL with pg_dump (docs/operations.md)";
        return Err(Failure::new("not_sqlite", reason));
    }
    if args.file.exists() {
        return Err(refusal(&args.file, "exists already"));
    }
    let partial = partial_name(&args.file);
    // Created empty and private before SQLite opens it: SQLite alone would make it readable by others.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial)
        .map_err(|error| cannot_write(&partial, &error))?;
    // Read before the copy: a settlement that leaves the spool meanwhile may be counted here and also be in the copy.
    let spooled = look(&config.spool_dir()).map_err(|e| Failure::new("spool", e.to_string()))?.waiting.len();
    let written = write_copy(config, &partial, &args.file).await;
    if written.is_err() {
        // The failure's reason is reported; the next backup refuses a leftover file by name.
        let _ = std::fs::remove_file(&partial);
    }
    let bytes = written?;
    let key_file = config.key_file();
    let mut text = format!(
        "{}: {bytes} bytes; keep a copy of the key file {} apart from it: without the key file stored SIP passwords \
         cannot be read",
        args.file.display(),
        key_file.display()
    );
    if spooled > 0 {
        text.push_str(&format!(
            "\n{spooled} ended calls wait in the spool and are not in this copy: back up {} too",
            config.spool_dir().display()
        ));
    }
    Ok(Answer::new(
        json!({
            "file": args.file.display().to_string(),
            "bytes": bytes,
            "key_file": key_file.display().to_string(),
            "spooled": spooled,
        }),
        text,
    ))
}

async fn write_copy(config: &Config, partial: &Path, file: &Path) -> Result<u64, Failure> {
    copy_sqlite(config.database.url.reveal(), partial)
        .await
        .map_err(|error| Failure::new("database", format!("the database cannot be copied: {error}")))?;
    if let Some(fault) =
        find_corruption(partial).await.map_err(|error| Failure::new("database", error.to_string()))?
    {
        return Err(Failure::new("corrupt", format!("the copy is damaged: {fault}")));
    }
    let copy = File::open(partial).map_err(|error| cannot_write(partial, &error))?;
    copy.sync_all().map_err(|error| cannot_write(partial, &error))?;
    let bytes = copy.metadata().map_err(|error| cannot_write(partial, &error))?.len();
    // A link, because a rename would replace a file created there meanwhile.
    std::fs::hard_link(partial, file).map_err(|error| cannot_write(file, &error))?;
    std::fs::remove_file(partial).map_err(|error| cannot_write(partial, &error))?;
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| cannot_write(file, &error))?;
    Ok(bytes)
}

fn partial_name(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

fn cannot_write(file: &Path, reason: &std::io::Error) -> Failure {
    Failure::new("backup", format!("{} cannot be written: {reason}", file.display()))
}

fn refusal(file: &Path, reason: &str) -> Failure {
    Failure::new("bad_value", format!("FILE: {} {reason}", file.display()))
}
