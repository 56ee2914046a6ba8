//! Odd numbers: whatever is dialled, nothing but the digits of one international number reaches a carrier.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};

use crate::app::TestApp;
use crate::app::phone::{Answer, Dial, End};

/// Numbers that are dialled.
const DIALLED: usize = 400;

/// Digits with what dial strings, SIP and shells make something of.
fn dialled() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "(\\+|00|\\+00|0)?(49|4930|4420|882|999)[0-9]{0,14}",
        2 => "(49|4930)[0-9]{2,8}[ -/:-@&|;,$%#*wWpP\\[\\]{}\"'`\\\\]{1,3}[0-9]{0,6}",
        1 => "[+0-9]{0,24}",
        1 => "(49|4930)[0-9]{4,8}(@[a-z.]{1,9}|;tag=x|&PJSIP/1|\\$\\{EXTEN\\}|,n,System\\(id\\))",
        1 => "[٠-٩０-９²³½①४]{1,12}",
        1 => "\\PC{0,20}",
    ]
}

#[tokio::test]
async fn whatever_is_dialled_only_the_digits_of_its_number_reach_a_carrier() {
    let app = TestApp::start().await;
    app.furnish().await;
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let (mut allowed, mut refused) = (0, 0);
    for _ in 0..DIALLED {
        let text = dialled().new_tree(&mut runner).unwrap().current();
        // A line break would end the argument: `calls_hostile.rs` plants those.
        if text.contains(char::is_control) {
            continue;
        }
        match Dial::new("alice", &text).ask(app.fastagi).await {
            Answer::Allowed(granted) => {
                allowed += 1;
                let digits = text.strip_prefix('+').or(text.strip_prefix("00")).unwrap_or(&text);
                assert!(digits.bytes().all(|b| b.is_ascii_digit()), "{text:?} was allowed");
                assert!((1..=15).contains(&digits.len()) && !digits.starts_with('0'), "{text:?} was allowed");
                for route in &granted.routes {
                    let rest = route.strip_prefix(&format!("PJSIP/{digits}@"));
                    let rest = rest.or_else(|| {
                        let (_, uri) = route.strip_prefix("PJSIP/")?.split_once("/sip:")?;
                        uri.strip_prefix(&format!("{digits}@"))
                    });
                    let rest = rest.unwrap_or_else(|| panic!("{text:?} is dialled as {route:?}"));
                    assert!(
                        !rest.contains([',', '&', '|', '$', '@', ' ']),
                        "{text:?} is dialled as {route:?}"
                    );
                }
                assert!(app.end(&granted, &End::busy()).await);
            }
            Answer::Refused { .. } => refused += 1,
            Answer::Nothing => panic!("{text:?} is not answered"),
        }
    }
    assert!(allowed > 10 && refused > 10, "{allowed} allowed and {refused} refused are no trial");
    assert_eq!(app.held("alice").await, "0");
    app.assert_right().await;
    app.stop().await;
}
