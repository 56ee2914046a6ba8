use super::*;
use crate::client::Call;

fn call() -> Call {
    Call::new("agi://127.0.0.1:4573/authorize").unique_id("pbx1-1.7").args(["alice", "", "a b: c"])
}

fn parse(text: &str) -> Result<Environment, ParseError> {
    Environment::parse(text.as_bytes())
}

fn text() -> String {
    String::from_utf8(call().environment_bytes()).expect("ASCII")
}

fn refusal(text: &str) -> EnvironmentError {
    match parse(text) {
        Err(ParseError::Line(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_whole_environment_is_read() {
    let environment = parse(&text()).expect("clean");
    assert_eq!(environment.script(), "authorize");
    assert_eq!(environment.unique_id(), "pbx1-1.7");
    assert_eq!(environment.get(Key::Context), "tollgate");
    assert_eq!(environment.get(Key::AccountCode), "");
    assert_eq!(environment.args().collect::<Vec<_>>(), ["alice", "", "a b: c"]);
    assert_eq!((environment.arg(0), environment.arg(3), environment.arg(4)), (None, Some("a b: c"), None));
}

#[test]
fn a_url_without_a_path_has_no_script_line() {
    let call = Call::new("agi://127.0.0.1:4573");
    let environment = Environment::parse(&call.environment_bytes()).expect("clean");
    assert_eq!(environment.script(), "");
}

#[test]
fn a_query_is_not_part_of_the_script() {
    let call = Call::new("hagi://example.org/settle?x=1/2");
    let environment = Environment::parse(&call.environment_bytes()).expect("clean");
    assert_eq!(environment.script(), "settle");
    assert_eq!(environment.get(Key::NetworkScript), "settle?x=1/2");
}

#[test]
fn only_what_says_which_call_it_is_must_be_there() {
    let text = text();
    let lines: Vec<&str> = text.lines().collect();
    for (left_out, key) in Key::ALL.into_iter().enumerate() {
        let mut some = lines.clone();
        some.remove(left_out);
        let parsed = parse(&(some.join("\n") + "\n"));
        if REQUIRED.contains(&key) {
            let missing = ParseError::Line(EnvironmentError::EndsEarly { expected: key });
            assert_eq!(parsed, Err(missing));
        } else {
            assert_eq!(parsed.expect("other versions print other lines").get(key), "");
        }
    }
}

#[test]
fn every_line_repeated_is_refused_and_fixed_lines_may_change_places() {
    let text = text();
    let lines: Vec<&str> = text.lines().collect();
    for (index, key) in Key::ALL.into_iter().enumerate() {
        let mut twice = lines.clone();
        twice.insert(index, lines[index]);
        assert_eq!(
            refusal(&(twice.join("\n") + "\n")),
            EnvironmentError::DuplicateKey { line: index + 2, key }
        );
    }
    let ordered = parse(&text).expect("as Asterisk prints it");
    for index in 0..Key::ALL.len() - 1 {
        let mut swapped = lines.clone();
        swapped.swap(index, index + 1);
        let parsed = parse(&(swapped.join("\n") + "\n")).expect("the same lines");
        assert!(Key::ALL.into_iter().all(|key| parsed.get(key) == ordered.get(key)));
    }
    // The last fixed line behind the first argument, and two arguments that changed places.
    for index in Key::ALL.len() - 1..lines.len() - 2 {
        let mut swapped = lines.clone();
        swapped.swap(index, index + 1);
        assert!(parse(&(swapped.join("\n") + "\n")).is_err(), "{index} and its successor");
    }
}

#[test]
fn a_forged_account_code_is_refused_wherever_a_caller_can_write() {
    for key in [Key::CallerId, Key::CallerIdName, Key::Dnid, Key::Rdnis, Key::Extension] {
        let forged = call().with(key, "5\nagi_accountcode: VICTIM");
        assert!(Environment::parse(&forged.environment_bytes()).is_err(), "in {key}");
    }
}

#[test]
fn an_environment_that_ends_early_is_refused() {
    let forged = call().with(Key::Extension, "6\n\n200 result=1");
    assert_eq!(Environment::parse(&forged.environment_bytes()), Err(ParseError::BytesAfterEnd));
    let before_its_id = call().with(Key::Channel, "6\n\n200 result=1");
    assert_eq!(
        Environment::parse(&before_its_id.environment_bytes()),
        Err(ParseError::Line(EnvironmentError::EndsEarly { expected: Key::UniqueId }))
    );
    assert_eq!(refusal("\n"), EnvironmentError::EndsEarly { expected: Key::Network });
}

#[test]
fn keys_asterisk_does_not_print_are_refused() {
    for stranger in ["agi_evil: 1", "agi_: 1", "AGI_CHANNEL: x", "agi_channel : x", "agi_arg_1: x"] {
        let text = text().replacen("agi_language", &format!("{stranger}\nagi_language"), 1);
        assert!(parse(&text).is_err(), "{stranger}");
    }
    let after = text().replace("agi_arg_1", "agi_evil: 1\nagi_arg_1");
    assert_eq!(refusal(&after), EnvironmentError::UnknownKey { line: 23 });
}

#[test]
fn lines_of_another_kind_are_refused() {
    for stranger in
        ["200 result=1", "HANGUP", "hello", ":", "agi_channel", "agi_channel:x", " agi_channel: x"]
    {
        let text = text().replacen("agi_channel: PJSIP/alice-00000001", stranger, 1);
        assert!(matches!(refusal(&text), EnvironmentError::NotAnAgiLine { line: 4 }), "{stranger}");
    }
}

#[test]
fn arguments_are_numbered_without_a_gap() {
    for (from, to) in [
        ("agi_arg_1", "agi_arg_0"),
        ("agi_arg_2", "agi_arg_1"),
        ("agi_arg_2", "agi_arg_4"),
        ("agi_arg_2", "agi_arg_02"),
        ("agi_arg_2", "agi_arg_+2"),
        ("agi_arg_2", "agi_arg_"),
        ("agi_arg_2", "agi_arg_99999999999999999999"),
    ] {
        let text = text().replace(from, to);
        assert!(matches!(refusal(&text), EnvironmentError::ArgumentOutOfOrder { .. }), "{to}");
    }
}

#[test]
fn arguments_and_bytes_are_bounded() {
    let full = Call::new("agi://h/x").args(std::iter::repeat_n("a", MAX_ARGUMENTS));
    assert!(Environment::parse(&full.environment_bytes()).is_ok());
    let error = Environment::parse(&full.arg("a").environment_bytes());
    assert_eq!(error, Err(ParseError::Line(EnvironmentError::TooManyArguments)));
    let long = Call::new("agi://h/x").args(std::iter::repeat_n("a".repeat(8_000).as_str(), 5));
    let error = Environment::parse(&long.environment_bytes());
    assert_eq!(error, Err(ParseError::Line(EnvironmentError::TooLong)));
}

#[test]
fn control_characters_and_broken_text_are_refused() {
    for character in ['\0', '\r', '\t', '\x1b', '\x7f'] {
        let text = text().replace("alice-", &format!("alice{character}"));
        assert_eq!(refusal(&text), EnvironmentError::ControlCharacter { line: 4 }, "{character:?}");
    }
    let mut bytes = call().environment_bytes();
    let at = bytes.windows(5).position(|window| window == b"alice").expect("it is there");
    bytes[at] = 0xff;
    assert_eq!(Environment::parse(&bytes), Err(ParseError::Line(EnvironmentError::NotUtf8 { line: 4 })));
}

#[test]
fn text_beyond_ascii_passes() {
    let call = call().with(Key::CallerIdName, "Zoë Müller 📞");
    let environment = Environment::parse(&call.environment_bytes()).expect("UTF-8");
    assert_eq!(environment.get(Key::CallerIdName), "Zoë Müller 📞");
}

#[test]
fn the_network_lines_must_agree_with_the_url() {
    assert_eq!(
        refusal(&text().replace("agi_network: yes", "agi_network: no")),
        EnvironmentError::NotNetworked
    );
    let text = text().replace("agi_network_script: authorize", "agi_network_script: settle");
    assert_eq!(refusal(&text), EnvironmentError::ScriptMismatch);
}

#[test]
fn an_environment_needs_its_end_and_nothing_more() {
    let text = text();
    assert_eq!(parse(text.trim_end_matches('\n')), Err(ParseError::Unfinished));
    assert_eq!(parse(&(text.clone() + "200 result=1\n")), Err(ParseError::BytesAfterEnd));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        let _ = Environment::parse(&bytes);
    }

    #[test]
    fn no_change_of_one_byte_adds_a_line(at in 0_usize..600, byte: u8) {
        let mut bytes = call().environment_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        // What is still accepted differs in a value, or has lost the border between two arguments.
        if let Ok(environment) = Environment::parse(&bytes) {
            proptest::prop_assert!(environment.args().count() <= 3);
        }
    }

    #[test]
    fn what_a_call_says_is_what_is_read(
        extension in "[^\\p{Cc}]{0,40}",
        name in "[^\\p{Cc}]{0,40}",
        args in proptest::collection::vec("[^\\p{Cc}]{0,30}", 0..12),
    ) {
        let call = Call::new("agi://h/x").with(Key::Extension, &extension).with(Key::CallerIdName, &name);
        let call = call.args(args.iter().map(String::as_str));
        let environment = Environment::parse(&call.environment_bytes()).expect("clean values");
        proptest::prop_assert_eq!(environment.get(Key::Extension), extension);
        proptest::prop_assert_eq!(environment.get(Key::CallerIdName), name);
        proptest::prop_assert_eq!(environment.args().collect::<Vec<_>>(), args);
    }
}
