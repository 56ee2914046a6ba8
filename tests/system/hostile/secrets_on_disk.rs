//! Secrets on the machine itself: files that other users can read, arguments in the process list.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::app::program::{Program, UNUSABLE_CONFIG, bare, finish};

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A configuration with a secret in it.
fn with_secret() -> Program {
    let program = Program::sqlite();
    let text = std::fs::read_to_string(&program.config).unwrap();
    let secret = "[realtime]\ntoken = \"S3cretTokenOfTwentyFourChars\"\n";
    std::fs::write(&program.config, format!("{text}\n{secret}")).unwrap();
    program
}

#[test]
fn a_configuration_whose_secrets_every_user_can_read_is_refused_and_named() {
    let program = with_secret();
    set_mode(&program.config, 0o644);
    for arguments in [&["serve"][..], &["check-config"]] {
        let said = program.run(arguments);
        assert_eq!((said.status, said.code().as_str()), (UNUSABLE_CONFIG, "exposed_config"), "{said:?}");
        let error = said.json()["error"].as_str().unwrap().to_owned();
        for part in ["tollgate.toml", "realtime.token", "644", "chmod 640", "chgrp"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert!(!said.out.contains("S3cret"), "{said:?}");
    }
    let doctor = program.run(&["doctor"]);
    assert!(doctor.status == 1 && doctor.out.contains("chmod 640"), "{doctor:?}");
    for mode in [0o640, 0o600] {
        set_mode(&program.config, mode);
        assert_eq!(program.run(&["check-config"]).status, 0, "{mode:o}");
        assert!(program.run(&["doctor"]).out.contains("no other user can read or change the files"));
        assert!(program.serve().stop().success());
    }
}

#[test]
fn a_configuration_that_every_user_can_change_is_refused_and_one_without_secrets_may_be_read() {
    let program = Program::sqlite();
    set_mode(&program.config, 0o666);
    let said = program.run(&["serve"]);
    assert_eq!((said.status, said.code().as_str()), (UNUSABLE_CONFIG, "exposed_config"), "{said:?}");
    set_mode(&program.config, 0o644);
    // Secrets of the environment are in no file.
    let secret = [("TOLLGATE_REALTIME__TOKEN", "S3cretTokenOfTwentyFourChars")];
    assert!(program.serve_with(&secret).stop().success());
}

#[test]
fn doctor_names_every_file_of_the_installation_that_others_can_use() {
    let program = Program::sqlite();
    program.furnish();
    let files = program.database.files.path();
    // What the program makes is for its user alone.
    for name in ["tollgate.db", "tollgate.key"] {
        let mode = std::fs::metadata(files.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    assert!(program.serve().stop().success());
    for (name, mode, said) in [
        ("tollgate.db", 0o644, "can read the database"),
        ("tollgate.db", 0o666, "can change the database"),
        ("tollgate.spool", 0o755, "the spool"),
        ("tollgate.run", 0o755, "internal.socket"),
    ] {
        let path = files.join(name);
        let before = std::fs::metadata(&path).unwrap().permissions();
        set_mode(&path, mode);
        let doctor = program.run(&["doctor"]);
        assert!(doctor.out.contains(said) && doctor.out.contains("chmod"), "{name}: {doctor:?}");
        std::fs::set_permissions(&path, before).unwrap();
    }
    let key = files.join("private.pem");
    std::fs::write(&key, "").unwrap();
    set_mode(&key, 0o644);
    let tls = [
        ("TOLLGATE_HTTP__TLS_KEY", key.to_str().unwrap()),
        ("TOLLGATE_HTTP__TLS_CERT", key.to_str().unwrap()),
    ];
    assert!(program.run_with(&tls, &["doctor"]).out.contains("http.tls_key"));
}

#[test]
fn a_password_is_taken_from_standard_input_or_a_private_file_and_never_as_an_argument() {
    let program = Program::sqlite();
    program.furnish();
    let serving = program.serve();
    let made = program
        .run_with_input("From-Standard-Input-1\n", &["sip", "create", "alice", "--password-file", "-"]);
    assert_eq!((made.status, &made.json()["password"]), (0, &"From-Standard-Input-1".into()), "{made:?}");
    let file = program.file("password", "From-A-File-1");
    set_mode(Path::new(&file), 0o600);
    let changed = program.ok(&["sip", "password", "alice", "--password-file", &file]);
    assert_eq!(changed["password"], "From-A-File-1");
    assert_eq!(
        program.ok(&["account", "password", "alice", "--password-file", &file])["password"],
        "From-A-File-1"
    );
    set_mode(Path::new(&file), 0o644);
    assert_eq!(program.refused(&["sip", "password", "alice", "--password-file", &file]), "bad_argument");
    for command in
        [&["sip", "create", "alice"][..], &["sip", "password", "alice"], &["account", "password", "alice"]]
    {
        let mut arguments = command.to_vec();
        arguments.extend(["--password", "InTheProcessList1"]);
        let said = program.run(&arguments);
        assert_eq!((said.status, said.code().as_str()), (1, "bad_argument"), "{said:?}");
        assert!(said.json()["error"].as_str().unwrap().contains("--password-file"), "{said:?}");
        assert!(
            !said.out.contains("InTheProcessList1") && !said.err.contains("InTheProcessList1"),
            "{said:?}"
        );
    }
    let empty = program.run_with_input("", &["sip", "create", "alice", "--password-file", "-"]);
    assert_eq!(empty.code(), "bad_argument");
    assert!(!serving.log().contains("From-A-File-1"));
    for argument in ["--secret", "--access-code"] {
        let mut simulator: Command = bare();
        simulator.args([
            "esim-simulator",
            "--json",
            "--listen",
            "127.0.0.1:0",
            argument,
            "InTheProcessList1",
        ]);
        let said = finish(&mut simulator);
        assert_eq!((said.status, said.code().as_str()), (1, "bad_argument"), "{said:?}");
        assert!(said.json()["error"].as_str().unwrap().contains("-file"), "{said:?}");
    }
}
