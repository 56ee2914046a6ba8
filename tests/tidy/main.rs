//! Checks of the repository: structure, lengths, documents.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

mod imports;

use serde_json::Value;
use tollgate::config::Config;

/// Lines beyond which a file holds more than one idea.
const MAX_LINES: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files that are in the repository.
fn tracked() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "-z"])
        .current_dir(root())
        .output()
        .expect("git lists the files that belong to the project");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).unwrap();
    let paths = listed.split('\0').filter(|path| !path.is_empty());
    paths.map(PathBuf::from).filter(|path| root().join(path).is_file()).collect()
}

/// The text of a tracked file, if it is text.
fn text(path: &Path) -> Option<String> {
    String::from_utf8(std::fs::read(root().join(path)).unwrap()).ok()
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// Whether a word is in a line, and not the beginning of a longer name.
fn stands_in(line: &str, word: &str) -> bool {
    let goes_on = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let ends_in_name = word.ends_with(goes_on);
    line.match_indices(word).any(|(at, _)| !(ends_in_name && line[at + word.len()..].starts_with(goes_on)))
}

/// Every place where one of `words` stands, as `file:line: word`.
fn places(words: &[&str], wanted: impl Fn(&Path) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for path in tracked() {
        // This file names what it forbids.
        if path.starts_with("tests/tidy") || !wanted(&path) {
            continue;
        }
        let Some(text) = text(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            for word in words.iter().filter(|word| stands_in(line, word)) {
                found.push(format!("{}:{}: {word}", path.display(), number + 1));
            }
        }
    }
    found
}

#[test]
fn no_code_says_that_it_is_unfinished() {
    let words =
        ["todo!", "unimplemented!", "TODO", "FIXME", "HACK", "#[ignore", "for now", "simplified version"];
    let is_code = |path: &Path| {
        path.extension().is_some_and(|extension| {
            ["rs", "sql", "toml", "conf", "py", "sh"].iter().any(|e| extension == *e)
        })
    };
    let found = places(&words, is_code);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_file_of_code_is_too_long() {
    let long: Vec<String> = tracked()
        .iter()
        .filter(|path| is_rust(path))
        .filter_map(|path| {
            let lines = text(path)?.lines().count();
            (lines > MAX_LINES).then(|| format!("{}: {lines} lines", path.display()))
        })
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn no_module_is_named_for_everything_and_nothing() {
    let vague = ["util", "utils", "common", "helpers", "helper", "manager", "types", "misc"];
    let found: Vec<_> = tracked()
        .into_iter()
        .filter(|path| {
            is_rust(path)
                && path.iter().any(|part| {
                    vague.iter().any(|name| part == *name || part == format!("{name}.rs").as_str())
                })
        })
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn nothing_names_a_machine_or_the_host_of_a_package_registry() {
    let words = [
        "/work/",
        "/root/",
        "/tmp/tg",
        "deb.debian.org",
        "security.debian.org",
        "archive.ubuntu.com",
        "static.crates.io",
        "index.crates.io",
        "//crates.io",
        "registry.npmjs.org",
        "npmjs.com",
        "pypi.org",
        "pythonhosted.org",
        "proxy.golang.org",
        "rubygems.org",
    ];
    let found = places(&words, |path| path.file_name().is_some_and(|name| name != "Cargo.lock"));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_query_file_is_used() {
    let sources: String =
        tracked().iter().filter(|path| path.starts_with("src")).filter_map(|path| text(path)).collect();
    let queries: Vec<PathBuf> =
        tracked().into_iter().filter(|path| path.starts_with("sql/queries")).collect();
    assert!(queries.len() > 50, "the queries are in sql/queries");
    let unused: Vec<_> = queries
        .iter()
        .filter(|path| !sources.contains(&format!("sql/queries/{}", path.file_name().unwrap().display())))
        .collect();
    assert!(unused.is_empty(), "{unused:#?}");
}

#[test]
fn every_statement_of_the_service_is_in_its_store() {
    let statements = ["SELECT ", "INSERT INTO ", "DELETE FROM ", "sqlx::query"];
    let found = places(&statements, |path| {
        is_rust(path)
            && path.starts_with("src")
            && !path.starts_with("src/store")
            && path != Path::new("src/store.rs")
    });
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |dialect: &str| -> BTreeSet<String> {
        let folder = Path::new("sql/migrations").join(dialect);
        let files = tracked().into_iter().filter(|path| path.starts_with(&folder));
        files.map(|path| path.file_name().unwrap().display().to_string()).collect()
    };
    let sqlite = names("sqlite");
    assert!(!sqlite.is_empty());
    assert_eq!(sqlite, names("postgres"));
}

#[test]
fn the_crates_below_the_service_know_nothing_of_it() {
    for (part, above) in [
        (
            "rating/src",
            &["tokio::", "std::net", "std::fs", "std::io", "std::time::Instant", "SystemTime", "async fn"][..],
        ),
        ("agi/src", &["tollgate_rating", "tollgate::"]),
    ] {
        let found = places(above, |path| is_rust(path) && path.starts_with(part));
        assert!(found.is_empty(), "{found:#?}");
    }
}

/// Paths in back-ticks that a document names: with a slash, and with a folder of the repository at their beginning.
#[test]
fn every_path_that_a_document_names_exists() {
    let folders: BTreeSet<String> = tracked()
        .iter()
        .filter(|path| path.components().count() > 1)
        .filter_map(|path| Some(path.iter().next()?.to_string_lossy().into_owned()))
        .collect();
    let mut missing = Vec::new();
    for path in tracked().iter().filter(|path| path.extension().is_some_and(|it| it == "md")) {
        let Some(text) = text(path) else { continue };
        for named in text.split('`').skip(1).step_by(2) {
            let is_path = !named.contains(|c: char| c.is_whitespace() || "<>*{}$…()[]=&?\"".contains(c));
            let begins = named.split('/').next().is_some_and(|first| folders.contains(first));
            if is_path && named.contains('/') && begins && !root().join(named).exists() {
                missing.push(format!("{}: {named}", path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Keys of `[[sms.provider]]` that have a default.
const OPTIONAL_OF_PROVIDERS: [&str; 8] = [
    "rate_per_second",
    "system_type",
    "tls",
    "window",
    "long_messages",
    "enquire_link_seconds",
    "response_timeout_seconds",
    "latency_ms",
];

/// Every key with its default, `section.key`; null where there is none.
fn keys() -> Vec<(String, Value)> {
    let one_of_each = "[[asterisk]]\nname = 'n'\nhost = 'h'\nusername = 'u'\nsecret = 's'\n\
        [[sms.provider]]\nname = 'a'\nkind = 'simulator'\n\
        [[sms.provider]]\nname = 'b'\nkind = 'http'\nurl = 'http://h'\napi_key = 'k'\n\
        [[sms.provider]]\nname = 'c'\nkind = 'smpp'\nhost = 'h'\nport = 1\nsystem_id = 's'\npassword = 'p'\n";
    let mut keys = Vec::new();
    let config = Config::from_text(one_of_each, []).unwrap();
    collect_keys("", serde_json::to_value(config).unwrap(), true, &mut keys);
    // The keys that only one kind of upstream has.
    let upstream = "[esim]\nkind = 'esimaccess'\naccess_code = 'c'\n";
    let config = Config::from_text(upstream, []).unwrap();
    let mut of_kind = Vec::new();
    collect_keys("", serde_json::to_value(config).unwrap(), true, &mut of_kind);
    for (key, default) in of_kind {
        if key.starts_with("esim.") && !keys.iter().any(|(known, _)| *known == key) {
            let has_default = key != "esim.access_code";
            keys.push((key, if has_default { default } else { Value::Null }));
        }
    }
    keys
}

/// The keys of a section and of the sections in it. In a list of sections, of which one stands for all, only these have a
/// default.
fn collect_keys(name: &str, value: Value, has_defaults: bool, keys: &mut Vec<(String, Value)>) {
    let of = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
    let is_section = |value: &Value| value.as_object().is_some_and(|object| !object.is_empty());
    match value {
        Value::Array(items) if items.first().is_some_and(is_section) => {
            for item in items {
                collect_keys(name, item, false, keys);
            }
        }
        Value::Object(content) if name.matches('.').count() == 0 || !has_defaults => {
            for (key, value) in content {
                let is_optional = match name {
                    "asterisk" => key == "port",
                    "sms.provider" => OPTIONAL_OF_PROVIDERS.contains(&key.as_str()),
                    _ => false,
                };
                let has_default = has_defaults || is_optional;
                collect_keys(&of(&key), value, has_default, keys);
            }
        }
        value => keys.push((name.to_owned(), if has_defaults { value } else { Value::Null })),
    }
}

#[test]
fn every_configuration_key_is_documented_with_its_default_and_no_other() {
    let page = text(Path::new("docs/configuration.md")).expect("docs/configuration.md");
    let row_of = |key: &str| page.lines().find(|line| line.starts_with(&format!("| `{key}` |")));
    let keys = keys();
    for (key, default) in &keys {
        let row = row_of(key).unwrap_or_else(|| panic!("docs/configuration.md has no row for `{key}`"));
        if !default.is_null() {
            assert!(row.contains(&format!("| `{default}` |")), "the default of {key} is {default}: {row}");
        }
    }
    for row in page.lines().filter_map(|line| line.strip_prefix("| `")) {
        let documented = row.split('`').next().unwrap();
        assert!(keys.iter().any(|(key, _)| key == documented), "`{documented}` is documented and is no key");
    }
}

#[test]
fn the_changelog_has_a_place_for_what_is_not_released() {
    let log = text(Path::new("CHANGELOG.md")).expect("CHANGELOG.md");
    let unreleased =
        log.split("## ").find_map(|section| section.strip_prefix("Unreleased")).expect("## Unreleased");
    assert!(unreleased.lines().any(|line| line.starts_with("- ")), "it says what changed");
}

#[test]
fn every_link_within_the_documents_leads_somewhere() {
    let mut broken = Vec::new();
    for path in tracked().into_iter().filter(|path| path.extension().is_some_and(|e| e == "md")) {
        let folder = root().join(&path).parent().unwrap().to_owned();
        let text = text(&path).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap();
            if !target.is_empty() && !target.contains("://") && !folder.join(target).exists() {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_unit_starts_the_program_as_it_is() {
    let unit = text(Path::new("systemd/tollgate.service")).expect("systemd/tollgate.service");
    for line in ["Type=notify", "Restart=on-failure", "NoNewPrivileges=yes", "ProtectSystem=strict"] {
        assert!(unit.lines().any(|it| it == line), "{line}");
    }
    assert!(unit.lines().any(|line| line.starts_with("WatchdogSec=")));
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let words: Vec<&str> = start.split_whitespace().collect();
    assert_eq!(words[1..3], ["serve", "--config"]);
}
