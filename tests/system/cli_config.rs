//! The configuration: a file, the environment over it, and nothing that nobody knows.

use std::process::Command;

use serde_json::Value;

use crate::app::program::{Program, Said, UNUSABLE_CONFIG, bare, finish};

/// `check-config` with this file and environment.
fn checked(text: &str, environment: &[(&str, &str)]) -> Said {
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("tollgate.toml");
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut command: Command = bare();
    command.args(["check-config", "--json", "--config"]).arg(&file).envs(environment.iter().copied());
    finish(command.current_dir(files.path()))
}

#[test]
fn without_a_file_the_defaults_are_those_of_a_fresh_machine() {
    let files = tempfile::tempdir().unwrap();
    let said = finish(bare().args(["check-config", "--json"]).current_dir(files.path()));
    assert_eq!(said.status, 0, "{said:?}");
    let config = said.json();
    for (path, value) in [
        ("/database/url", Value::from("sqlite://tollgate.db")),
        ("/money/currency", "EUR".into()),
        ("/fastagi/listen", "127.0.0.1:4573".into()),
        ("/fastagi/allow/0", "127.0.0.0/8".into()),
        ("/http/listen", "127.0.0.1:8080".into()),
        ("/sip/realm", "asterisk".into()),
        ("/internal/listen", "127.0.0.1:8081".into()),
        ("/credit/slice_seconds", 120.into()),
        ("/credit/reserve", "slice".into()),
        ("/credit/on_link_loss", "cut".into()),
        ("/credit/when_database_down", "refuse".into()),
        ("/credit/max_call_seconds", 14_400.into()),
    ] {
        assert_eq!(config.pointer(path), Some(&value), "{path} in {config}");
    }
}

#[test]
fn the_environment_overrides_every_sort_of_value_in_the_file() {
    let text =
        "[credit]\nmax_call_seconds = 60\nreserve = \"slice\"\n[fastagi]\nlisten = \"127.0.0.1:4000\"\n";
    let said = checked(
        text,
        &[
            ("TOLLGATE_CREDIT__MAX_CALL_SECONDS", "90"),
            ("TOLLGATE_CREDIT__RESERVE", "full"),
            ("TOLLGATE_FASTAGI__ALLOW", r#"["192.0.2.0/24", "2001:db8::/32"]"#),
            ("TOLLGATE_INTERNAL__METRICS_TOKEN", "t0ken"),
            ("TOLLGATE_LOG__JSON", "true"),
            ("TOLLGATE_MONEY__CURRENCY", "USD"),
        ],
    );
    assert_eq!(said.status, 0, "{said:?}");
    let config = said.json();
    assert_eq!(config["credit"]["max_call_seconds"], 90);
    assert_eq!(config["credit"]["reserve"], "full");
    assert_eq!(config["fastagi"]["listen"], "127.0.0.1:4000", "what the environment leaves is the file's");
    assert_eq!(config["fastagi"]["allow"], serde_json::json!(["192.0.2.0/24", "2001:db8::/32"]));
    assert_eq!(config["log"]["json"], true);
    assert_eq!(config["money"]["currency"], "USD");
    assert!(!said.out.contains("t0ken"), "a secret is never shown");
}

#[test]
fn a_key_that_nobody_knows_and_a_value_that_cannot_be_are_refused_by_name() {
    for (text, environment, named) in [
        ("[credit]\nmax_calls_seconds = 60\n", &[][..], "max_calls_seconds"),
        ("[credits]\nreserve = \"full\"\n", &[], "credits"),
        ("[credit]\nmax_call_seconds = \"long\"\n", &[], "max_call_seconds"),
        ("[credit]\nmax_call_seconds = 0\n", &[], "credit.max_call_seconds"),
        ("[credit]\nreserve = \"half\"\n", &[], "half"),
        ("[money]\ncurrency = \"euro\"\n", &[], "money.currency"),
        ("[fastagi]\nlisten = \"here\"\n", &[], "listen"),
        ("[fastagi]\nallow = [\"everybody\"]\n", &[], "fastagi.allow"),
        ("[http]\ntls_cert = \"a.pem\"\n", &[], "http.tls_cert"),
        ("[internal]\ntoken = \"old\"\n", &[], "internal.socket"),
        ("[[asterisk]]\nname = \"pbx1\"\n", &[], "host"),
        (
            "[[asterisk]]\nname = \"a\"\nhost = \"h\"\nusername = \"u\"\nsecret = \"s\"\nport = 0\ncolour = 1\n",
            &[],
            "colour",
        ),
        ("nonsense", &[], "configuration"),
        ("", &[("TOLLGATE_CREDIT__MAX_CALLS", "5")], "max_calls"),
        ("", &[("TOLLGATE_NOWHERE__KEY", "5")], "TOLLGATE_NOWHERE__KEY"),
        ("", &[("TOLLGATE_CREDIT__MAX_CALL_SECONDS", "many")], "TOLLGATE_CREDIT__MAX_CALL_SECONDS"),
    ] {
        let said = checked(text, environment);
        assert_eq!(
            (said.status, said.code().as_str()),
            (UNUSABLE_CONFIG, "bad_config"),
            "{text:?} {environment:?}: {said:?}"
        );
        let error = said.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(named), "{text:?} {environment:?}: {error}");
    }
}

#[test]
fn every_command_refuses_a_wrong_configuration_before_it_does_anything() {
    let program = Program::sqlite();
    std::fs::write(&program.config, "[database]\nurl = \"sqlite://made-by-mistake.db\"\nurls = 1\n").unwrap();
    for arguments in [
        &["serve"][..],
        &["migrate"],
        &["audit"],
        &["doctor"],
        &["account", "show", "a"],
        &["tariff", "list"],
    ] {
        let said = program.run(arguments);
        assert_eq!((said.status, said.code().as_str()), (UNUSABLE_CONFIG, "bad_config"), "{arguments:?}");
    }
    assert!(!program.database.files.path().join("made-by-mistake.db").exists());
}

#[test]
fn a_configuration_file_that_is_not_there_is_named() {
    let files = tempfile::tempdir().unwrap();
    let said =
        finish(bare().args(["check-config", "--json", "--config", "no-such.toml"]).current_dir(files.path()));
    assert_eq!(said.status, UNUSABLE_CONFIG);
    assert!(said.json()["error"].as_str().unwrap().contains("no-such.toml"), "{said:?}");
}

#[test]
fn a_server_that_no_restart_can_help_ends_with_a_status_of_its_own() {
    let program = Program::sqlite();
    program.ok(&["migrate"]);
    program.ok(&["secrets", "realtime"]);
    for (variable, value, status) in [
        ("TOLLGATE_MONEY__CURRENCY", "USD", UNUSABLE_CONFIG),
        ("TOLLGATE_SIP__REALM", "another", UNUSABLE_CONFIG),
        ("TOLLGATE_DATABASE__URL", "mysql://localhost/tollgate", UNUSABLE_CONFIG),
        // What is unavailable may come back.
        ("TOLLGATE_DATABASE__URL", "postgres://postgres@127.0.0.1:1/none", 1),
    ] {
        let said = program.run_with(&[(variable, value)], &["serve"]);
        assert_eq!(said.status, status, "{variable}={value}: {said:?}");
    }
}

#[test]
fn secrets_of_the_configuration_are_never_shown() {
    let said = checked(
        "[internal]\nmetrics_token = \"s3cret\"\n[[asterisk]]\nname = \"pbx1\"\nhost = \"h\"\nusername = \"u\"\nsecret = \"s3cret\"\n\
         [database]\nurl = \"postgres://user:s3cret@db/tollgate\"\n",
        &[],
    );
    assert_eq!(said.status, 0, "{said:?}");
    assert!(!said.out.contains("s3cret") && !said.err.contains("s3cret"), "{said:?}");
    assert_eq!(said.json()["asterisk"][0]["port"], 5038);
}
