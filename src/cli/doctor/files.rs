//! Checks the access of other users to the files that matter.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Findings;
use crate::config::{Config, exposure};
use crate::control::folder;

/// Checks the modes of the configuration, the keys, the database, the spool and the command socket's folder.
pub(super) fn files(config: &Config, file: Option<&Path>, findings: &mut Findings) {
    let before = findings.0.len();
    if let Some(file) = file
        && let Err(error) = exposure::check(file)
    {
        findings.wrong(error.to_string());
    }
    if let Some(key) = &config.http.tls_key
        && let Some(mode) = mode(key)
        && mode & 0o007 != 0
    {
        findings.wrong(format!(
            "http.tls_key {} can be read by every user (mode {mode:o}): run chmod 640 {0}",
            key.display()
        ));
    }
    for file in database_files(config) {
        let Some(mode) = mode(&file) else { continue };
        let remedy = format!("run chmod 600 {}", file.display());
        if mode & 0o002 != 0 {
            findings.wrong(format!(
                "every user can change the database {} (mode {mode:o}): {remedy}",
                file.display()
            ));
        } else if mode & 0o004 != 0 {
            findings.warn(format!(
                "every user can read the database {} (mode {mode:o}): {remedy}",
                file.display()
            ));
        }
    }
    let spool = config.spool_dir();
    if let Some(mode) = mode(&spool)
        && mode & 0o077 != 0
    {
        findings.wrong(format!(
            "the spool {} can be used by others (mode {mode:o}): run chmod 700 {0}",
            spool.display()
        ));
    }
    if let Err(error) = folder::examine(&config.command_socket(), &config.key_file()) {
        findings.wrong(error.to_string());
    }
    if findings.0.len() == before {
        findings.good("no other user can read or change the files of this installation");
    }
}

/// Returns the permission bits of an existing file.
fn mode(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|metadata| metadata.permissions().mode() & 0o777)
}

/// Returns the files of an embedded database.
fn database_files(config: &Config) -> Vec<PathBuf> {
    let Some(path) = config.database.url.sqlite_file() else { return Vec::new() };
    ["", "-wal", "-shm"].iter().map(|ending| PathBuf::from(format!("{path}{ending}"))).collect()
}
