//! Secrets passed to a command: from a file or standard input. A secret in an argument is visible in the process list
//! to every user of the machine.

use std::io::{BufRead as _, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::answer::Failure;
use crate::config::Secret;

/// Maximum length of a secret in bytes.
const MAX_BYTES: u64 = 4096;

/// Password options of a command.
#[derive(Debug, Default, Args)]
pub struct PasswordInput {
    /// File that contains the password, `-` for standard input; by default a password is generated and shown once
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Removed; kept by name to explain its absence
    #[arg(long, hide = true)]
    password: Option<Secret>,
    /// The password, once read by the process that the operator started.
    #[arg(skip)]
    given: Option<Secret>,
}

impl PasswordInput {
    /// Reads the password from the given file or standard input.
    pub fn read(&mut self) -> Result<(), Failure> {
        self.refuse_argument()?;
        if let Some(file) = &self.password_file {
            self.given = Some(read("--password-file", file)?);
        }
        Ok(())
    }

    /// Stores the password that another process has read.
    pub fn set(&mut self, password: Option<Secret>) {
        self.given = password;
    }

    /// Returns the password that was read.
    pub const fn given(&self) -> Option<&Secret> {
        self.given.as_ref()
    }

    /// Returns the password; `None` if one must be generated.
    pub fn take(self) -> Result<Option<String>, Failure> {
        self.refuse_argument()?;
        if self.password_file.is_some() && self.given.is_none() {
            return Err(Failure::new(
                "bad_argument",
                "--password-file: the password did not come with the command",
            ));
        }
        Ok(self.given.map(|password| password.reveal().to_owned()))
    }

    fn refuse_argument(&self) -> Result<(), Failure> {
        refuse("--password", "--password-file", self.password.is_some())
    }
}

/// Refuses a secret passed as an argument.
pub fn refuse(argument: &str, instead: &str, is_given: bool) -> Result<(), Failure> {
    if is_given {
        return Err(Failure::new(
            "bad_argument",
            format!(
                "{argument}: arguments stand in the process list, so change this secret; give it by {instead} FILE, or \
                 {instead} - for standard input"
            ),
        ));
    }
    Ok(())
}

/// Reads the secret in a file, or the first line of standard input for `-`.
pub fn read(argument: &str, file: &Path) -> Result<Secret, Failure> {
    let failed =
        |reason: String| Failure::new("bad_argument", format!("{argument} {}: {reason}", file.display()));
    let mut text = String::new();
    if file == Path::new("-") {
        let mut input = std::io::stdin().lock().take(MAX_BYTES + 1);
        input.read_line(&mut text).map_err(|error| failed(error.to_string()))?;
    } else {
        let opened = std::fs::File::open(file).map_err(|error| failed(error.to_string()))?;
        let metadata = opened.metadata().map_err(|error| failed(error.to_string()))?;
        let mode = metadata.permissions().mode() & 0o777;
        // The mode of a shell's pipe does not matter.
        if metadata.is_file() && mode & 0o007 != 0 {
            return Err(failed(format!(
                "every user can get at it (mode {mode:o}): run chmod 600 {} and change the secret",
                file.display()
            )));
        }
        opened.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| failed(error.to_string()))?;
    }
    if text.len() as u64 > MAX_BYTES {
        return Err(failed(format!("is longer than {MAX_BYTES} bytes")));
    }
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() {
        return Err(failed("is empty".to_owned()));
    }
    Ok(Secret::new(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_without_its_line_end_from_a_private_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        for (text, secret) in [("s3 cret\n", "s3 cret"), ("s3cret\r\n", "s3cret"), ("s3cret", "s3cret")] {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            assert_eq!(read("--password-file", &file).unwrap().reveal(), secret);
        }
        for text in ["", "\n", &"x".repeat(5_000)] {
            std::fs::write(&file, text).unwrap();
            assert!(read("--password-file", &file).is_err(), "{} bytes", text.len());
        }
        std::fs::write(&file, "s3cret").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let refused = read("--password-file", &file).unwrap_err().message;
        assert!(refused.contains("mode 644") && refused.contains("chmod 600"), "{refused}");
    }
}
