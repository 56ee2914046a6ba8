//! Replays of golden transcripts: each file in `tests/transcripts/`, and the fixed script of `examples/record`.

#![expect(clippy::expect_used, reason = "a test that cannot go on says what it expected")]

#[path = "../examples/record/script.rs"]
mod script;

use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tollgate_agi::client::Call;
use tollgate_agi::transcript::{Speaker, Transcript};
use tollgate_agi::{AllowList, Limits, Session, SessionError, SessionLimits, serve};

fn transcripts() -> Vec<(String, Transcript)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is part of the repository")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("readable");
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            (name, text.parse().expect("a transcript"))
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(!all.is_empty(), "there are transcripts to replay");
    all
}

/// Says Asterisk's lines in pieces of `size` bytes, each only after the commands that stand before it; what the
/// server said.
async fn say(mut io: DuplexStream, transcript: Transcript, size: usize) -> String {
    let mut commands = String::new();
    for (speaker, line) in transcript.lines {
        let line = line + "\n";
        match speaker {
            Speaker::Asterisk => {
                for piece in line.as_bytes().chunks(size) {
                    if io.write_all(piece).await.is_err() {
                        return commands;
                    }
                    tokio::task::yield_now().await;
                }
            }
            Speaker::Server => {
                let mut heard = vec![0; line.len()];
                if io.read_exact(&mut heard).await.is_err() {
                    return commands;
                }
                commands.push_str(&String::from_utf8_lossy(&heard));
            }
        }
    }
    commands
}

fn peer() -> std::net::SocketAddr {
    ([127, 0, 0, 1], 1).into()
}

async fn open(
    transcript: &Transcript,
    size: usize,
) -> (Session<DuplexStream>, tokio::task::JoinHandle<String>) {
    let (near, far) = duplex(64 * 1024);
    let speaking = tokio::spawn(say(far, transcript.clone(), size));
    let session =
        Session::open(near, peer(), SessionLimits::default()).await.expect("the environment is clean");
    (session, speaking)
}

#[tokio::test]
async fn every_command_on_record_gets_its_own_reply_however_the_bytes_arrive() {
    for (name, transcript) in transcripts() {
        for size in [1, 2, 3, 7, 64, usize::MAX] {
            let (mut session, speaking) = open(&transcript, size).await;
            for command in transcript.commands() {
                match session.send(&script::Raw(command)).await {
                    Ok(_) | Err(SessionError::Refused(_)) => {}
                    Err(error) => panic!("{name}: {command}: {error}"),
                }
            }
            session.finish().await.unwrap_or_else(|error| panic!("{name}: after the last reply: {error}"));
            let heard = speaking.await.expect("the other side has spoken");
            let expected: Vec<&str> = transcript.commands().collect();
            assert_eq!(heard.lines().collect::<Vec<_>>(), expected, "{name} in pieces of {size}");
        }
    }
}

#[tokio::test]
async fn the_script_says_and_hears_what_is_on_record() {
    let mut replayed = 0;
    for (name, transcript) in transcripts().into_iter().filter(|(name, _)| name.ends_with("-record.txt")) {
        let (mut session, speaking) = open(&transcript, 100).await;
        script::run(&mut session).await.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        drop(session);
        let heard = speaking.await.expect("the other side has spoken");
        let expected: Vec<&str> = transcript.commands().collect();
        assert_eq!(heard.lines().collect::<Vec<_>>(), expected, "{name}");
        replayed += 1;
    }
    assert!(replayed > 0, "there is a recorded script to replay");
}

#[tokio::test]
async fn the_client_answers_the_script_as_asterisk_does() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (done, mut results) = tokio::sync::mpsc::channel(1);
    let handler = move |mut session: Session| {
        let done = done.clone();
        async move {
            let result = script::run(&mut session).await.map_err(|failure| failure.to_string());
            done.send(result).await.expect("the test listens");
        }
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(serve(listener, Limits::default(), AllowList::loopback(), handler, async {
        drop(stopped.await);
    }));
    let call = Call::new("agi://127.0.0.1:4573/record").deadline(Duration::from_secs(10));
    let outcome = call.run(address).await.expect("played");
    assert_eq!(results.recv().await, Some(Ok(())));
    assert!(outcome.hung_up, "the script hangs up");

    // Every reply is, to the letter, the one on record for the same command.
    let (_, recorded) =
        transcripts().into_iter().find(|(name, _)| name.ends_with("-record.txt")).expect("a recorded script");
    let replies = |transcript: &Transcript| {
        let after_environment = transcript.lines.iter().skip_while(|(_, line)| !line.is_empty()).skip(1);
        let said: Vec<String> = after_environment.map(|(_, line)| line.clone()).collect();
        said
    };
    let differing: Vec<_> = replies(&recorded)
        .into_iter()
        .filter(|line| !replies(&outcome.transcript).contains(line))
        .filter(|line| !(line.starts_with("Returns <") || line.starts_with("Example return")))
        .collect();
    assert_eq!(differing, ["200 result=6"], "the recorded channel was answered, a played one rings");

    drop(stop);
    serving.await.expect("not cancelled").expect("no handler panicked");
}
