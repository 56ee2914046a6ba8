//! Tests of the framing, byte by byte.

use proptest::prelude::*;

use super::*;

fn all(codec: &mut Codec, src: &mut BytesMut) -> Result<Vec<Frame>, CodecError> {
    let mut frames = Vec::new();
    while let Some(frame) = codec.decode(src)? {
        frames.push(frame);
    }
    Ok(frames)
}

/// Decodes a whole text.
fn whole(text: &[u8]) -> Vec<Frame> {
    all(&mut Codec::new(), &mut BytesMut::from(text)).unwrap()
}

/// Decodes a text that arrives in two parts.
fn split(text: &[u8], at: usize) -> Vec<Frame> {
    let mut codec = Codec::new();
    let mut src = BytesMut::from(&text[..at]);
    let mut frames = all(&mut codec, &mut src).unwrap();
    src.extend_from_slice(&text[at..]);
    frames.extend(all(&mut codec, &mut src).unwrap());
    frames
}

fn block(fields: &[(&str, &str)]) -> Frame {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Frame::Block(Message::new(fields.collect()))
}

const BANNER_LINE: &str = "Asterisk Call Manager/11.0.0\r\n";

fn after_banner(text: &str) -> Vec<Frame> {
    let mut frames = whole(format!("{BANNER_LINE}{text}").as_bytes());
    assert_eq!(frames.remove(0), Frame::Banner(BANNER_LINE.trim_end().to_owned()));
    frames
}

#[test]
fn a_block_ends_with_an_empty_line_however_lines_end() {
    let wanted = vec![block(&[("Event", "A"), ("X", "1")]), block(&[("Event", "B")])];
    for text in [
        "Event: A\r\nX: 1\r\n\r\nEvent: B\r\n\r\n",
        "Event: A\nX: 1\n\nEvent: B\n\n",
        "Event: A\r\nX: 1\r\n\nEvent: B\n\r\n",
        "Event: A\r\nX: 1\r\n\r\n\r\n\nEvent: B\r\n\r\n\r\n",
        "\r\nEvent: A\r\nX:1\r\n\r\nEvent: B\r\r\n\r\n",
    ] {
        assert_eq!(after_banner(text), wanted, "{text:?}");
    }
}

#[test]
fn a_message_that_brings_its_own_line_end_is_one_block() {
    // The answer of PJSIPShowContacts when there is no contact.
    let text = "Response: Error\r\nActionID: psc\r\nMessage: No Contacts found\n\r\n\r\nEvent: B\r\n\r\n";
    let error = block(&[("Response", "Error"), ("ActionID", "psc"), ("Message", "No Contacts found")]);
    assert_eq!(after_banner(text), [error, block(&[("Event", "B")])]);
}

#[test]
fn a_changed_banner_is_taken_and_another_protocol_is_not() {
    for banner in ["Asterisk Call Manager/99.1-beta\r\n", "OurFork Call Manager/1\n"] {
        assert_eq!(whole(banner.as_bytes()), [Frame::Banner(banner.trim_end().to_owned())]);
    }
    for line in ["SSH-2.0-OpenSSH_9.2\r\n", "\r\n", "HTTP/1.1 400 Bad Request\r\n", "Event: A\r\n"] {
        let read = Codec::new().decode(&mut BytesMut::from(line));
        assert!(matches!(read, Err(CodecError::NotManager)), "{line:?}");
    }
    let endless = "Asterisk Call Manager/".repeat(100);
    let read = Codec::new().decode(&mut BytesMut::from(endless.as_str()));
    assert!(matches!(read, Err(CodecError::NotManager)));
}

#[test]
fn output_comes_line_by_line_or_as_free_text() {
    let today = "Response: Success\r\nMessage: Command output follows\r\nOutput: a: b\r\nOutput: \r\n\r\n";
    let wanted = block(&[
        ("Response", "Success"),
        ("Message", "Command output follows"),
        ("Output", "a: b"),
        ("Output", ""),
    ]);
    assert_eq!(after_banner(today), [wanted]);

    let formerly = "Response: Follows\r\nPrivilege: Command\r\nActionID: 7\r\nfirst: line\n\nsecond\n--END COMMAND--\r\n\r\n\
                    Event: B\r\n\r\n";
    let mut codec = Codec::new();
    codec.expect_output(true);
    let mut src = BytesMut::from(format!("{BANNER_LINE}{formerly}").as_bytes());
    let frames = all(&mut codec, &mut src).unwrap();
    let wanted = block(&[
        ("Response", "Follows"),
        ("Privilege", "Command"),
        ("ActionID", "7"),
        ("Output", "first: line"),
        ("Output", ""),
        ("Output", "second"),
    ]);
    assert_eq!(frames[1..], [wanted, block(&[("Event", "B")])]);
}

#[test]
fn a_planted_follows_swallows_nothing() {
    let text =
        "Event: X\r\nCallerIDNum: 1\r\n\r\nResponse: Follows\r\n\r\nEvent: Hangup\r\nUniqueid: 1\r\n\r\n";
    let frames = after_banner(text);
    assert_eq!(frames[2], block(&[("Event", "Hangup"), ("Uniqueid", "1")]));
}

#[test]
fn a_line_without_a_colon_stays_in_its_block_without_a_name() {
    let frames = after_banner("Event: A\r\nno colon here\r\nX: 1\r\n\r\n");
    assert_eq!(frames, [block(&[("Event", "A"), ("", "no colon here"), ("X", "1")])]);
}

#[test]
fn what_is_no_text_is_replaced() {
    let mut text = BANNER_LINE.as_bytes().to_vec();
    text.extend_from_slice(b"Event: A\xff\0B\r\n\r\n");
    assert_eq!(whole(&text)[1], block(&[("Event", "A\u{fffd}\u{fffd}B")]));
}

#[test]
fn a_block_that_is_too_large_is_dropped_and_the_next_one_is_read() {
    let long_line = format!("Event: A\r\nX: {}\r\n\r\n", "x".repeat(MAX_READ_LINE_BYTES + 1));
    let many_lines = format!("Event: A\r\n{}\r\n", "X: 1\r\n".repeat(MAX_BLOCK_LINES + 1));
    let many_bytes = format!("Event: A\r\n{}\r\n", format!("X: {}\r\n", "x".repeat(8_000)).repeat(20));
    for text in [long_line, many_lines, many_bytes] {
        assert_eq!(
            after_banner(&format!("{text}Event: B\r\n\r\n")),
            [Frame::Dropped, block(&[("Event", "B")])]
        );
    }
}

#[test]
fn what_never_ends_is_given_up() {
    let mut codec = Codec::new();
    let mut src = BytesMut::from(BANNER_LINE);
    all(&mut codec, &mut src).unwrap();
    let mut fed = 0;
    let error = loop {
        src.extend_from_slice(&[b'x'; 4_096]);
        fed += 4_096;
        match all(&mut codec, &mut src) {
            Ok(frames) => assert!(frames.is_empty() && src.len() <= MAX_READ_LINE_BYTES),
            Err(error) => break error,
        }
        assert!(fed <= 2 * MAX_SKIPPED_BYTES, "nobody noticed");
    };
    assert!(matches!(error, CodecError::Endless), "{error}");
}

#[test]
fn half_a_block_at_the_end_is_none() {
    let mut codec = Codec::new();
    let mut src = BytesMut::from(format!("{BANNER_LINE}Event: Hangup\r\nUniqueid: 1").as_str());
    all(&mut codec, &mut src).unwrap();
    assert_eq!(codec.decode_eof(&mut src).unwrap(), None);
}

#[test]
fn an_action_is_written_with_its_id_in_front() {
    let action = Action::new("Getvar").with("Channel", "PJSIP/a-1").unwrap().with("Variable", "X").unwrap();
    let mut out = BytesMut::new();
    Codec::new().encode((&action, "id-1"), &mut out).unwrap();
    let wanted = "Action: Getvar\r\nActionID: id-1\r\nChannel: PJSIP/a-1\r\nVariable: X\r\n\r\n";
    assert_eq!(out, wanted.as_bytes());
}

#[test]
fn every_recorded_conversation_reads_the_same_at_every_split() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ami/transcripts");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "ami") {
            continue;
        }
        seen += 1;
        let text = std::fs::read(&path).unwrap();
        let wanted = whole(&text);
        assert!(wanted.len() >= 3 && matches!(wanted[0], Frame::Banner(_)), "{}", path.display());
        assert!(!wanted.contains(&Frame::Dropped), "{}", path.display());
        for at in 0..=text.len() {
            assert_eq!(split(&text, at), wanted, "{} at {at}", path.display());
        }
    }
    assert!(seen >= 4, "the recordings are in src/ami/transcripts");
}

#[test]
fn an_untidy_conversation_reads_the_same_at_every_split() {
    let long = "y".repeat(MAX_READ_LINE_BYTES + 10);
    let text = format!(
        "{BANNER_LINE}\nEvent: A\nX\r\n\r\r\nEvent: B\r\nY: \u{fffd}\0\r\n\r\n\r\nEvent: C\r\n{long}\r\nZ: 1\r\n\nEvent: D\n\n"
    );
    let wanted = whole(text.as_bytes());
    assert_eq!(wanted.len(), 5);
    // Every position around the line ends; within the long line one position in many.
    for at in (0..=text.len()).filter(|at| *at < 100 || *at + 100 > text.len() || at % 509 == 0) {
        assert_eq!(split(text.as_bytes(), at), wanted, "at {at}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_keep_more_than_a_block(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20)
    ) {
        let mut codec = Codec::new();
        let mut src = BytesMut::from(BANNER_LINE);
        for part in parts {
            src.extend_from_slice(&part);
            let Ok(frames) = all(&mut codec, &mut src) else { break };
            for frame in frames {
                if let Frame::Block(block) = frame {
                    prop_assert!(!block.fields().is_empty());
                    let is_clean = |text: &String| !text.contains(['\n', '\0']);
                    let all_clean = block.fields().iter().all(|(name, value)| is_clean(name) && is_clean(value));
                    prop_assert!(all_clean);
                }
            }
            prop_assert!(src.len() <= MAX_READ_LINE_BYTES + 1);
        }
    }

    #[test]
    fn blocks_come_back_as_they_were_written_wherever_they_are_split(
        blocks in prop::collection::vec(
            prop::collection::vec(("[A-Za-z][A-Za-z0-9()-]{0,10}", "[ -~]{0,40}"), 1..8), 1..6),
        at in any::<prop::sample::Index>(),
        bare in any::<bool>(),
    ) {
        let end = if bare { "\n" } else { "\r\n" };
        let mut text = BANNER_LINE.to_owned();
        for fields in &blocks {
            for (name, value) in fields {
                text.push_str(&format!("{name}: {value}{end}"));
            }
            text.push_str(end);
        }
        let frames = split(text.as_bytes(), at.index(text.len()));
        let wanted = blocks.into_iter().map(|fields| Frame::Block(Message::new(fields)));
        prop_assert!(frames.into_iter().skip(1).eq(wanted));
    }

    #[test]
    fn what_an_action_holds_is_what_is_read_on_the_other_side(
        values in prop::collection::vec(r"[^\r\n\x00]{0,60}", 0..10)
    ) {
        let mut action = Action::new("Setvar");
        for value in &values {
            action = action.with("Value", value.clone()).unwrap();
        }
        let mut wire = BytesMut::from(BANNER_LINE);
        Codec::new().encode((&action, "0-1"), &mut wire).unwrap();
        let frames = all(&mut Codec::new(), &mut wire).unwrap();
        prop_assert_eq!(frames.len(), 2);
        let Frame::Block(read) = &frames[1] else { panic!("a block") };
        prop_assert_eq!(read.fields().len(), values.len() + 2);
        for ((_, read), value) in read.fields()[2..].iter().zip(&values) {
            prop_assert_eq!(read, value);
        }
    }
}
