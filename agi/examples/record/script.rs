//! A session that says everything once, and checks every answer. Played against a real Asterisk it records a golden
//! transcript; replayed from one it proves the session; played against the crate's own client it proves the client.

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tollgate_agi::command::{
    self, ChannelStatus, EncodeError, Exec, GetFullVariable, GetVariable, Hangup, Line, Noop, Refusal,
    SetVariable, Verbose,
};
use tollgate_agi::reply::Reply;
use tollgate_agi::{Command, Session, SessionError};

/// A line as it stands, right or wrong.
pub(crate) struct Raw<'a>(pub(crate) &'a str);

impl Command for Raw<'_> {
    type Answer = String;

    fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        Line::new(out, self.0).finish()
    }

    fn parse(&self, reply: Reply) -> Result<String, Refusal> {
        Ok(command::success(reply)?.result().to_owned())
    }
}

/// What went otherwise than Asterisk 22 does it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An answer was not the expected one.
    Answer { step: String, answer: String },
    /// The session ended.
    Session(SessionError),
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Answer { step, answer } => write!(f, "{step}: Asterisk answered {answer}"),
            Self::Session(error) => write!(f, "the session ended: {error}"),
        }
    }
}

impl std::error::Error for Failure {}

fn expect<T: std::fmt::Debug + PartialEq>(step: &str, answer: &T, expected: &T) -> Result<(), Failure> {
    if answer == expected { Ok(()) } else { fail(step, answer) }
}

fn fail(step: &str, answer: &dyn std::fmt::Debug) -> Result<(), Failure> {
    Err(Failure::Answer { step: step.to_owned(), answer: format!("{answer:?}") })
}

/// A value with everything in it that could be taken for something else.
const AWKWARD: &str = r#"say "hi" \ there, (now) ${TG_A} endpos=7"#;

/// Asterisk's GET VARIABLE reads into a buffer of 1,024 bytes, its end included.
const GET_VARIABLE_BYTES: usize = 1_023;

/// Runs the whole script.
pub(crate) async fn run<S: AsyncRead + AsyncWrite + Unpin>(session: &mut Session<S>) -> Result<(), Failure> {
    variables(session).await?;
    limits(session).await?;
    refusals(session).await?;
    hangup(session).await
}

async fn variables<S: AsyncRead + AsyncWrite + Unpin>(session: &mut Session<S>) -> Result<(), Failure> {
    let pairs = [
        ("TG_A", "1"),
        ("TG_B", "PJSIP/t/sip:+49@h:5060;x=y._-"),
        ("TG_C", ""),
        ("TG_Q", AWKWARD),
        ("TG_Z", "9"),
    ];
    session.set_variables(&pairs).await?;
    for (name, value) in pairs {
        let answer = session.send(&GetVariable { name }).await?;
        expect(name, &answer.as_deref(), &Some(value))?;
    }
    session.send(&SetVariable { name: "TG_E", value: "" }).await?;
    expect("empty", &session.send(&GetVariable { name: "TG_E" }).await?.as_deref(), &Some(""))?;
    expect("unset", &session.send(&GetVariable { name: "TG_UNSET" }).await?, &None)?;
    let full = GetFullVariable { expression: "${TG_A}-${TG_UNSET}-${TG_B}", channel: None };
    let answer = session.send(&full).await?;
    expect("full", &answer.as_deref(), &Some("1--PJSIP/t/sip:+49@h:5060;x=y._-"))?;
    let gone = GetFullVariable { expression: "${TG_A}", channel: Some("PJSIP/nobody-00000000") };
    expect("full of a channel that is gone", &session.send(&gone).await?, &None)
}

async fn limits<S: AsyncRead + AsyncWrite + Unpin>(session: &mut Session<S>) -> Result<(), Failure> {
    let pairs: Vec<String> = (1..=command::MAX_PAIRS + 1).map(|n| format!("TG_P{n}=x")).collect();
    expect(
        "100 pairs",
        &session.send(&Raw(&format!("EXEC MSet {}", pairs.join(",")))).await?,
        &"0".to_owned(),
    )?;
    let last = session.send(&GetVariable { name: "TG_P99" }).await?;
    expect("pair 99 takes the rest", &last.as_deref(), &Some("x,TG_P100=x"))?;
    expect("pair 100", &session.send(&GetVariable { name: "TG_P100" }).await?, &None)?;
    let long = "l".repeat(2_000);
    session.send(&SetVariable { name: "TG_L", value: &long }).await?;
    let answer = session.send(&GetVariable { name: "TG_L" }).await?;
    expect("a long value", &answer.as_deref(), &Some(&long[..GET_VARIABLE_BYTES]))?;
    let full = GetFullVariable { expression: "${TG_L}", channel: None };
    expect("a long value in full", &session.send(&full).await?.as_deref(), &Some(&*long))
}

async fn refusals<S: AsyncRead + AsyncWrite + Unpin>(session: &mut Session<S>) -> Result<(), Failure> {
    match session.send(&Exec { application: "NoSuchApplication", options: "" }).await {
        Err(SessionError::Refused(Refusal::NoSuchApplication)) => {}
        other => fail("no such application", &other)?,
    }
    match session.send(&Raw("JUMP AROUND")).await {
        Err(SessionError::Refused(Refusal::UnknownCommand)) => {}
        other => fail("no such command", &other)?,
    }
    match session.send(&Raw("GET VARIABLE")).await {
        Err(SessionError::Refused(Refusal::Usage(text))) if text.contains("variablename") => {}
        other => fail("wrong usage", &other)?,
    }
    session.send(&Verbose { message: "a \"quoted\" word", level: 3 }).await?;
    session.send(&Noop).await?;
    session.send(&ChannelStatus).await?;
    Ok(())
}

async fn hangup<S: AsyncRead + AsyncWrite + Unpin>(session: &mut Session<S>) -> Result<(), Failure> {
    expect("not hung up yet", &session.is_hung_up(), &false)?;
    session.send(&Hangup).await?;
    match session.send(&ChannelStatus).await {
        Err(SessionError::Refused(Refusal::DeadChannel)) => {}
        other => fail("the state of a dead channel", &other)?,
    }
    expect("hung up", &session.is_hung_up(), &true)?;
    session.send(&SetVariable { name: "TG_D", value: "dead" }).await?;
    let answer = session.send(&GetVariable { name: "TG_D" }).await?;
    expect("a dead channel's variable", &answer.as_deref(), &Some("dead"))
}
