//! Commands change money, so they go to the server's own process or to nobody: impostors, other users, wrong folders.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use tollgate::store::Store;
use tollgate::store::owner::Candidate;

use crate::app::database::on_both;
use crate::app::program::{Program, Serving};

/// The user id of nobody, who is neither root nor the owner of any key file.
const NOBODY: u32 = 65_534;

/// Listens on a socket path as nobody and writes what it receives into a file. With a lock file it holds that lock
/// first, as only root can.
const IMPOSTOR: &str = r#"
use strict; use IO::Socket::UNIX; use Socket; use Fcntl ':flock'; $| = 1;
my ($path, $log, $lock) = @ARGV;
open(my $out, '>', $log) or die "$log: $!"; $out->autoflush(1);
my $held; if ($lock) { open($held, '+<', $lock) or die "$lock: $!"; flock($held, LOCK_EX) or die "flock: $!"; }
unlink $path;
socket(my $server, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
if ($lock) { bind($server, pack_sockaddr_un($path)) or die "bind: $!"; }
$( = 65534; $) = '65534 65534'; $< = 65534; $> = 65534;
if (!$lock) { bind($server, pack_sockaddr_un($path)) or die "bind: $!"; }
listen($server, 8) or die "listen: $!";
print "listening\n";
while (accept(my $peer, $server)) { syswrite $out, "connected\n"; while (sysread($peer, my $bytes, 4096)) { syswrite $out, $bytes; } }
"#;

/// Sends a request to a socket as the user of the first argument and prints the answer.
const REQUEST: &str = r#"
use strict; use Socket;
my ($uid, $path, $request) = @ARGV;
$( = $uid; $) = "$uid $uid"; $< = $uid; $> = $uid;
socket(my $peer, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
connect($peer, pack_sockaddr_un($path)) or die "connect: $!";
syswrite $peer, $request; $SIG{ALRM} = sub { exit }; alarm 20;
while (sysread($peer, my $bytes, 4096)) { print $bytes; }
"#;

fn require_root() {
    let user = std::fs::metadata("/proc/self").map(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata));
    assert_eq!(user.unwrap(), 0, "this test starts processes of other users: run it as root");
}

fn perl(script: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("perl");
    command.args(["-e", script, "--"]).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// A process of another user that listens in the server's place.
struct Impostor {
    child: Child,
    log: PathBuf,
}

impl Impostor {
    fn on(path: &Path, log: PathBuf, lock: Option<&Path>) -> Self {
        let mut arguments = vec![path.to_str().unwrap(), log.to_str().unwrap()];
        arguments.extend(lock.map(|lock| lock.to_str().unwrap()));
        let mut child = perl(IMPOSTOR, &arguments).spawn().unwrap();
        let mut first = [0; 10];
        child.stdout.as_mut().unwrap().read_exact(&mut first).expect("the impostor listens");
        Self { child, log }
    }

    fn received(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder(program: &Program) -> PathBuf {
    program.config.with_file_name("tollgate.run")
}

fn socket(program: &Program) -> PathBuf {
    folder(program).join("tollgate.sock")
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// One request over the internal listener; the whole answer.
fn ask(serving: &Serving, request: &str) -> String {
    let mut stream = TcpStream::connect(serving.internal).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn get(path: &str, header: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n")
}

on_both!(after_a_kill_whoever_listens_on_the_internal_port_receives_nothing, database => {
    let program = Program::on(database);
    program.furnish();
    let serving = program.serve();
    let address = serving.internal;
    serving.kill();
    let foreign = TcpListener::bind(address).unwrap();
    let received = Arc::new(Mutex::new(Vec::new()));
    let writing = Arc::clone(&received);
    std::thread::spawn(move || {
        for stream in foreign.incoming() {
            let Ok(mut stream) = stream else { return };
            writing.lock().unwrap().extend_from_slice(b"connected\n");
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut bytes) {
                writing.lock().unwrap().extend_from_slice(&bytes[..count]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n");
            }
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
    assert_eq!(program.ok(&["credit", "alice", "1", "--reference", "after the kill"])["balance"], "101");
    program.run(&["doctor"]);
    assert_eq!(String::from_utf8_lossy(&received.lock().unwrap()), "");
    assert_eq!(program.shown("alice", "balance"), "101");
    program.assert_audit();
});

#[test]
fn the_internal_listener_runs_no_command_whatever_token_is_shown() {
    let program = Program::sqlite();
    program.furnish();
    let serving = program.serve();
    let token = program.ok(&["secrets", "metrics"])["token"].as_str().unwrap().to_owned();
    let body = r#"{"argv":["credit","alice","1000","--reference","theft"]}"#;
    for token in ["", "guess", &token] {
        for (method, path) in [("POST", "/v1/command"), ("POST", "/v1/catch-up"), ("GET", "/v1/servers")] {
            let answer = ask(
                &serving,
                &format!(
                    "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
                     Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                ),
            );
            assert!(answer.starts_with("HTTP/1.1 410"), "{method} {path}: {answer}");
            assert!(answer.contains("internal.socket"), "it says where commands go: {answer}");
        }
    }
    assert_eq!(program.shown("alice", "balance"), "100");
    assert!(ask(&serving, &get("/health", "")).starts_with("HTTP/1.1 200"));
    for header in ["", "Authorization: Bearer \r\n", "Authorization: Bearer guess\r\n"] {
        assert!(ask(&serving, &get("/metrics", header)).starts_with("HTTP/1.1 401"), "{header}");
    }
    let metrics = ask(&serving, &get("/metrics", &format!("Authorization: Bearer {token}\r\n")));
    assert!(metrics.starts_with("HTTP/1.1 200") && metrics.contains("tollgate_calls_open"), "{metrics}");
    assert!(!serving.log().contains("guess") && !serving.log().contains(&token));
}

#[test]
fn a_folder_that_others_can_write_into_is_refused_and_the_impostor_in_it_hears_nothing() {
    require_root();
    let program = Program::sqlite();
    program.furnish();
    program.serve().kill();
    set_mode(program.database.files.path(), 0o755);
    set_mode(&folder(&program), 0o777);
    let log = program.config.with_file_name("received");
    let impostor = Impostor::on(&socket(&program), log.clone(), None);
    let said = program.run(&["credit", "alice", "1", "--reference", "x"]);
    assert_eq!((said.status, said.code().as_str()), (1, "owner"), "{said:?}");
    let error = said.json()["error"].as_str().unwrap().to_owned();
    assert!(error.contains("mode 777") && error.contains("chmod 700"), "{error}");
    set_mode(&folder(&program), 0o700);
    chown(folder(&program), Some(NOBODY), Some(NOBODY)).unwrap();
    let said = program.run(&["credit", "alice", "1", "--reference", "x"]);
    let error = said.json()["error"].as_str().unwrap().to_owned();
    assert!(error.contains("belongs to user 65534"), "{error}");
    assert_eq!(impostor.received(), "");
    drop(impostor);
    chown(folder(&program), Some(0), Some(0)).unwrap();
    // The socket that the impostor left is replaced: its owner cannot hold the lock.
    assert!(program.serve().stop().success());
    assert_eq!(program.shown("alice", "balance"), "100");
}

#[test]
fn an_impostor_that_holds_even_the_lock_is_known_by_its_user_before_anything_is_sent() {
    require_root();
    let program = Program::sqlite();
    program.furnish();
    program.serve().kill();
    let lock = folder(&program).join("tollgate.sock.lock");
    let impostor = Impostor::on(&socket(&program), program.config.with_file_name("received"), Some(&lock));
    let said = program.run(&["credit", "alice", "1", "--reference", "x"]);
    assert_eq!((said.status, said.code().as_str()), (1, "owner"), "{said:?}");
    let error = said.json()["error"].as_str().unwrap().to_owned();
    assert!(error.contains("process of user 65534") && error.contains("nothing was sent"), "{error}");
    assert_eq!(impostor.received(), "connected\n", "not a byte");
    let second = program.serve_in_vain();
    assert!(second.json()["error"].as_str().unwrap().contains("owns"), "{second:?}");
    drop(impostor);
    assert_eq!(program.ok(&["credit", "alice", "1", "--reference", "x"])["balance"], "101");
}

#[test]
fn a_process_of_another_user_is_refused_by_the_server() {
    require_root();
    let program = Program::sqlite();
    program.furnish();
    let serving = program.serve();
    let instance = std::fs::read_to_string(folder(&program).join("tollgate.sock.lock")).unwrap();
    // As if somebody had opened everything.
    for path in [program.database.files.path(), &folder(&program)] {
        set_mode(path, 0o755);
    }
    set_mode(&socket(&program), 0o666);
    let request = |instance: &str| {
        let body = r#"{"argv":["credit","alice","1000","--reference","theft"]}"#;
        format!(
            "POST /v1/command HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTollgate-Instance: {instance}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let ask = |uid: u32, request: &str| {
        let path = socket(&program);
        let arguments = [&uid.to_string(), path.to_str().unwrap(), request];
        String::from_utf8(perl(REQUEST, &arguments).output().unwrap().stdout).unwrap()
    };
    let answer = ask(NOBODY, &request(&instance));
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 403"), "{answer}");
    let answer = ask(0, &request("0123456789abcdef"));
    assert!(answer.starts_with("HTTP/1.1 421"), "a request for another server: {answer}");
    let logged = serving.log();
    assert!(logged.contains("another user's process") && logged.contains("65534"), "{logged}");
    set_mode(&folder(&program), 0o700);
    assert_eq!(program.shown("alice", "balance"), "100");
    // The request itself was right.
    let answer = ask(0, &request(&instance));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(program.shown("alice", "balance"), "1100");
}

#[test]
fn a_server_refuses_a_socket_path_that_is_not_its_own_and_says_why() {
    require_root();
    let program = Program::sqlite();
    program.furnish();
    let files = program.database.files.path().to_owned();
    let at = |name: &str| files.join(name);
    let make = |name: &str, mode: u32| {
        std::fs::create_dir(at(name)).unwrap();
        set_mode(&at(name), mode);
    };
    make("open", 0o755);
    make("group", 0o770);
    make("foreign", 0o700);
    chown(at("foreign"), Some(NOBODY), None).unwrap();
    make("real", 0o700);
    symlink(at("real"), at("link")).unwrap();
    std::fs::write(at("file"), "").unwrap();
    std::fs::write(at("real").join("kept"), "not a socket").unwrap();
    let long = format!("{}/tollgate.sock", "x".repeat(100));
    for (path, reason) in [
        ("open/tollgate.sock", "mode 755"),
        ("group/tollgate.sock", "mode 770"),
        ("foreign/tollgate.sock", "belongs to user 65534"),
        ("link/tollgate.sock", "symbolic link"),
        ("file/tollgate.sock", "no folder"),
        ("real/kept", "no socket"),
        ("missing/deeper/tollgate.sock", "cannot be used"),
        (&long, "107"),
    ] {
        let path = at(path);
        let said = program.run_with(&[("TOLLGATE_INTERNAL__SOCKET", path.to_str().unwrap())], &["serve"]);
        // Nothing but the configuration is wrong, except where the system refuses: that may pass.
        let expected = if reason == "cannot be used" { 1 } else { 78 };
        assert_eq!(said.status, expected, "{said:?}");
        let error = said.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains("internal.socket") && error.contains(reason), "{}: {error}", path.display());
    }
    assert_eq!(std::fs::read_to_string(at("real").join("kept")).unwrap(), "not a socket");
    // A folder that is not there is made for the server alone.
    let path = at("new/tollgate.sock");
    let serving = program.serve_with(&[("TOLLGATE_INTERNAL__SOCKET", path.to_str().unwrap())]);
    assert_eq!(std::fs::metadata(at("new")).unwrap().permissions().mode() & 0o7777, 0o700);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    // Commands find it without being told where it is.
    assert_eq!(program.ok(&["credit", "alice", "1", "--reference", "x"])["balance"], "101");
    assert!(serving.stop().success());
    assert!(!path.exists(), "an orderly end removes the socket");
}

#[test]
fn one_socket_serves_one_server_and_a_stale_one_is_replaced() {
    let (program, other) = (Program::sqlite(), Program::sqlite());
    program.furnish();
    let path = socket(&program);
    let shared = [("TOLLGATE_INTERNAL__SOCKET", path.to_str().unwrap())];
    let serving = program.serve();
    // Of another database: its ownership is free.
    let said = other.run_with(&shared, &["serve"]);
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.json()["error"].as_str().unwrap().contains("a running server owns"), "{said:?}");
    assert_eq!(program.ok(&["credit", "alice", "1", "--reference", "x"])["balance"], "101");
    serving.kill();
    assert!(path.exists(), "a kill leaves the socket");
    // Two at once: one of them serves.
    let outcomes: Vec<bool> = std::thread::scope(|scope| {
        let starts = [&program, &other].map(|program| {
            scope.spawn(|| {
                let mut serving = program.try_serve_with(&shared)?;
                let ended = serving.wait_for_end(Duration::from_secs(4));
                Some(ended.is_none()).filter(|serves| *serves)
            })
        });
        starts.map(|start| start.join().unwrap().is_some()).into()
    });
    assert_eq!(outcomes.iter().filter(|serves| **serves).count(), 1, "{outcomes:?}");
    // Where the other one took the lock, the killed server's death is proved by its lease alone.
    let shown = (0..40).find_map(|_| {
        std::thread::sleep(Duration::from_millis(500));
        let said = program.run(&["account", "show", "alice"]);
        (said.status == 0).then(|| said.json()["balance"].clone())
    });
    assert_eq!(shown, Some("101".into()));
}

on_both!(a_command_on_another_machine_than_the_server_is_refused_and_told_where_to_run, database => {
    let program = Program::on(database);
    program.furnish();
    let store = Store::open(&program.database.url).await.unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let path = socket(&program);
    for (address, said) in [
        ("unix:another-boot:00:/run/tollgate/tollgate.sock".to_owned(), "run the command there"),
        // The same kernel, another container.
        (format!("unix:{}:00:{}", boot.trim(), path.display()), "run the command there"),
        ("192.0.2.1:8081".to_owned(), "older version"),
    ] {
        let candidate = Candidate { node: "pbx-7", address: &address, installation: "another" };
        store.acquire_ownership(candidate, SignedDuration::from_mins(1)).await.unwrap();
        for arguments in [&["credit", "alice", "1", "--reference", "x"][..], &["serve"]] {
            let refused = program.run(arguments);
            assert_eq!(refused.status, 1, "{refused:?}");
            let error = refused.json()["error"].as_str().unwrap().to_owned();
            assert!(error.contains("pbx-7"), "{address}: {error}");
            assert!(error.contains(said) || arguments == ["serve"], "{address}: {error}");
        }
        let epoch = store.owner().await.unwrap().unwrap().epoch;
        store.release_ownership(epoch).await.unwrap();
    }
    assert_eq!(program.ok(&["credit", "alice", "1", "--reference", "x"])["balance"], "101");
});

#[test]
fn a_server_whose_folder_was_removed_is_not_taken_for_dead() {
    let program = Program::sqlite();
    program.furnish();
    let serving = program.serve();
    let aside = program.config.with_file_name("aside");
    std::fs::rename(folder(&program), &aside).unwrap();
    assert_eq!(program.refused(&["credit", "alice", "1", "--reference", "x"]), "owner");
    std::fs::rename(&aside, folder(&program)).unwrap();
    assert_eq!(program.ok(&["credit", "alice", "1", "--reference", "x"])["balance"], "101");
    assert!(serving.stop().success());
}
