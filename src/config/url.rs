//! Passwords in URLs: detection, redaction, and insertion of one that is kept apart.
//!
//! The URL is read by the same rules as the database driver reads it, so that no part of a password with an `@` in it is
//! mistaken for the host.

use url::Url;

/// The text in place of a password.
const REDACTED: &str = "(set)";

/// Returns the URL without its password, whether that is in the authority or in a query parameter. Of a URL that cannot
/// be parsed only the scheme is returned.
pub(super) fn redact(url: &str) -> String {
    if is_sqlite(url) {
        return url.to_owned();
    }
    let scheme = url.split(':').next().unwrap_or_default();
    let unreadable = || {
        if url.contains("://") { format!("{scheme}://(unreadable)") } else { "(unreadable)".to_owned() }
    };
    let Some(mut parsed) = parse(url) else { return unreadable() };
    if !parsed_has_password(&parsed) {
        return url.to_owned();
    }
    if parsed.password().is_some() && parsed.set_password(Some(REDACTED)).is_err() {
        return unreadable();
    }
    if let Some(query) = parsed.query() {
        let parameters = query.split('&').map(|parameter| match parameter.split_once('=') {
            Some((key, _)) if is_password_key(key) => format!("{key}={REDACTED}"),
            _ => parameter.to_owned(),
        });
        let query = parameters.collect::<Vec<_>>().join("&");
        parsed.set_query(Some(&query));
    }
    parsed.into()
}

/// Reports whether a URL holds a password. A URL that cannot be parsed is assumed to hold one if it could.
pub(super) fn has_password(url: &str) -> bool {
    if is_sqlite(url) {
        return false;
    }
    match parse(url) {
        Some(parsed) => parsed_has_password(&parsed),
        None => url.contains('@') || url.contains("password"),
    }
}

/// Adds a password to a URL that has none.
pub(super) fn with_password(url: &str, password: &str) -> Result<String, String> {
    let mut parsed = Url::parse(url).map_err(|error| error.to_string())?;
    // As a parameter: there every character can be escaped, and a URL that names a socket has no authority.
    parsed.query_pairs_mut().append_pair("password", password);
    Ok(parsed.into())
}

/// Parses the URL of a server; `None` if it is not one.
fn parse(url: &str) -> Option<Url> {
    Url::parse(url).ok().filter(|parsed| !parsed.cannot_be_a_base())
}

fn parsed_has_password(url: &Url) -> bool {
    url.password().is_some() || url.query_pairs().any(|(key, _)| is_password_key(&key))
}

fn is_password_key(key: &str) -> bool {
    key.to_ascii_lowercase().contains("password")
}

/// Reports whether it is the path of an embedded database, which has no password.
fn is_sqlite(url: &str) -> bool {
    url.starts_with("sqlite:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_password_is_shown() {
        for (url, shown) in [
            ("postgres://u:secret@h/db", "postgres://u:(set)@h/db"),
            ("postgres://u:sec@ret@h:5432/db", "postgres://u:(set)@h:5432/db"),
            ("postgres://u:se:c@r@et@h/db?sslmode=require", "postgres://u:(set)@h/db?sslmode=require"),
            ("postgres://u:sec%2Fret@h/db", "postgres://u:(set)@h/db"),
            ("postgres://h/db?user=u&password=secret", "postgres://h/db?user=u&password=(set)"),
            (
                "postgres://h/db?application_name=a%20b&password=se@cret",
                "postgres://h/db?application_name=a%20b&password=(set)",
            ),
            ("postgres://u:sec/ret@h/db", "postgres://(unreadable)"),
            ("u:secret@h", "(unreadable)"),
            ("postgres://u@h/a@b", "postgres://u@h/a@b"),
            ("postgres://h/db", "postgres://h/db"),
            ("sqlite://a.db", "sqlite://a.db"),
            ("sqlite:///var/lib/a b@c.db?mode=ro", "sqlite:///var/lib/a b@c.db?mode=ro"),
        ] {
            let redacted = redact(url);
            assert!(!redacted.contains("ret"), "{url}: {redacted}");
            assert_eq!(redacted, shown, "{url}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_found() {
        for (url, secret) in [
            ("sqlite://tollgate.db", false),
            ("sqlite://a:b@c.db", false),
            ("postgres://user@host:5432/name", false),
            ("postgres://user:pass@host/name", true),
            ("postgres://user:pa@ss@host/name", true),
            ("postgres://user:pa/ss@host/name", true),
            ("postgres://host/name?user=u&password=p", true),
        ] {
            assert_eq!(has_password(url), secret, "{url}");
        }
    }

    #[test]
    fn a_password_that_is_added_is_the_one_that_the_driver_reads() {
        let password = "p@s/s%41 &?#=é";
        for url in ["postgres://u@h/db", "postgres:///db?host=/run/postgresql"] {
            let with = with_password(url, password).unwrap();
            let parsed = Url::parse(&with).unwrap();
            let read: Vec<_> = parsed.query_pairs().filter(|(key, _)| key == "password").collect();
            assert_eq!(read.len(), 1, "{with}");
            assert_eq!(read[0].1, password);
            assert!(with.starts_with(url) && has_password(&with));
        }
    }
}
