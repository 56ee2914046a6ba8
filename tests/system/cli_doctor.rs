//! `tollgate doctor`: what it says of the running server's own links.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::app::asterisk::{Behaviour, FakeAsterisk, SECRET, SYSTEM_NAME, USER};
use crate::app::program::Program;

/// What doctor found of the running server's links and of readings of peers, each as `level text`.
fn found(program: &Program) -> Vec<String> {
    let findings = program.run(&["doctor"]).json()["findings"].clone();
    let findings = findings.as_array().unwrap().iter();
    let line = |finding: &serde_json::Value| {
        format!("{} {}", finding["level"].as_str().unwrap(), finding["text"].as_str().unwrap())
    };
    findings.map(line).filter(|line| line.contains("the running server")).collect()
}

/// Asks until every one of these beginnings is found, one line each.
fn until_found(program: &Program, wanted: &[&str]) {
    let began = Instant::now();
    loop {
        let found = found(program);
        let is_found = |beginning: &&str| found.iter().any(|line| line.starts_with(beginning));
        if found.len() == wanted.len() && wanted.iter().all(is_found) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{found:#?}, not {wanted:#?}");
    }
}

fn add_server(program: &Program, name: &str, server: &FakeAsterisk) {
    let mut text = std::fs::read_to_string(&program.config).unwrap();
    let (host, port) = (server.address.ip(), server.address.port());
    write!(
        text,
        "\n[[asterisk]]\nname = \"{name}\"\nhost = \"{host}\"\nport = {port}\nusername = \"{USER}\"\n\
         secret = \"{SECRET}\"\n"
    )
    .unwrap();
    std::fs::write(&program.config, text).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_link_of_the_running_server_is_told_with_the_reason_why_it_is_away() {
    let server = FakeAsterisk::start(Behaviour::default()).await;
    let stranger = FakeAsterisk::start(Behaviour { system_name: "other", ..Behaviour::default() }).await;
    let program = Program::sqlite();
    program.furnish();
    add_server(&program, SYSTEM_NAME, &server);
    add_server(&program, "pbx2", &stranger);
    assert_eq!(found(&program), [""; 0], "no server runs");

    let serving = program.serve();
    let strange =
        "wrong the running server's link to Asterisk pbx2 is away: the server calls itself \"other\"";
    until_found(&program, &["ok the running server's link to Asterisk pbx1 is up", strange]);
    // One that is in the file by now, and was not when the server was started.
    add_server(&program, "pbx3", &server);
    let unknown = "wrong the running server was started without Asterisk pbx3";
    until_found(&program, &["ok the running server's link to Asterisk pbx1 is up", strange, unknown]);
    let address = server.address.to_string();
    drop(server);
    let gone = format!("wrong the running server's link to Asterisk pbx1 is away: {address}");
    until_found(&program, &[&gone, strange, unknown]);
    serving.kill();
    assert_eq!(found(&program), [""; 0], "it is gone");
}
