//! Secrets that the configuration names by a file: `KEY_file` in place of `KEY`.

use std::io::Read as _;
use std::path::Path;

use super::exposure;
use super::secret::Secret;

/// The longest secret, in bytes.
const MAX_BYTES: u64 = 4096;

/// Fills `secret` from the file that `KEY_file` names. It is an error if both are set, or if every user of the machine
/// can read or change the file.
pub(super) fn load(key: &str, secret: &mut Option<Secret>, file: Option<&Path>) -> Result<(), String> {
    let Some(file) = file else { return Ok(()) };
    if secret.is_some() {
        return Err(format!("{key} and {key}_file are both set: leave one of them out"));
    }
    *secret = Some(read(file).map_err(|reason| format!("{key}_file: {reason}"))?);
    Ok(())
}

/// Reads a secret from a file, without the newline at its end.
pub(super) fn read(file: &Path) -> Result<Secret, String> {
    exposure::check_secret_file(file).map_err(|error| error.to_string())?;
    let shown = file.display();
    let mut bytes = Vec::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("{shown} cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("{shown} is longer than {MAX_BYTES} bytes"));
    }
    let Ok(text) = String::from_utf8(bytes) else { return Err(format!("{shown} is not UTF-8 text")) };
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(format!("{shown} is empty"));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_read_without_the_newline_at_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let written = |content: &[u8], mode: u32| {
            std::fs::write(&file, content).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            read(&file).map(|secret| secret.reveal().to_owned())
        };
        for content in ["hunter2", "hunter2\n", "hunter2\r\n"] {
            assert_eq!(written(content.as_bytes(), 0o640).unwrap(), "hunter2");
        }
        assert_eq!(written(b" a\n\n", 0o600).unwrap(), " a\n");
        for (content, mode, reason) in [
            (&b"hunter2"[..], 0o644, "every user can read"),
            (b"hunter2", 0o602, "every user can change"),
            (b"\n", 0o600, "is empty"),
            (b"\xff\n", 0o600, "UTF-8"),
            (&[b'a'; 5000], 0o600, "longer than"),
        ] {
            let error = written(content, mode).unwrap_err();
            assert!(error.contains(reason) && !error.contains("hunter2"), "{error}");
        }
        assert!(read(&folder.path().join("none")).unwrap_err().contains("none"));
    }
}
