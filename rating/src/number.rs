//! Numbers: international ones as ITU-T E.164 has them, and the rules that turn what was dialled into one.
//!
//! ```
//! use tollgate_rating::number::{DialRules, normalise};
//!
//! let germany: DialRules = "00=>,0=>49".parse().unwrap();
//! for dialled in ["+4930123456", "004930123456", "030123456"] {
//!     assert_eq!(normalise(dialled, &germany).unwrap().to_string(), "4930123456");
//! }
//! ```

use crate::prefix::{MAX_DIGITS, Prefix, PrefixIndex};
use core::{fmt, str::FromStr};

/// An international number: 1 to 15 digits, the first of which is none of the trunk prefix's (E.164, section 6:
/// no country code begins with 0).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct E164 {
    value: u64,
    digits: u8,
}

/// Why what was dialled is no international number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NumberError {
    /// No digit is left.
    #[error("the number is empty")]
    Empty,
    /// Something other than digits and one leading `+`.
    #[error("the number holds {0:?}; only digits and a leading + are dialled")]
    BadCharacter(char),
    /// More digits than a number has.
    #[error("the number has more than 15 digits")]
    TooLong,
    /// No country code begins with 0.
    #[error("the international number begins with 0")]
    LeadingZero,
}

impl E164 {
    /// The number's digits read as a decimal value.
    pub const fn value(self) -> u64 {
        self.value
    }

    /// How many digits it has: 1 to 15.
    pub const fn digits(self) -> u8 {
        self.digits
    }
}

impl FromStr for E164 {
    type Err = NumberError;

    /// Reads the digits of an international number, without `+`.
    fn from_str(text: &str) -> Result<Self, NumberError> {
        from_parts("", text)
    }
}

/// The number whose digits are those of `head`, then those of `tail`.
fn from_parts(head: &str, tail: &str) -> Result<E164, NumberError> {
    if let Some(other) = tail.chars().find(|c| !c.is_ascii_digit()) {
        return Err(NumberError::BadCharacter(other));
    }
    let digits = u8::try_from(head.len() + tail.len()).ok().filter(|len| *len <= MAX_DIGITS);
    let digits = digits.ok_or(NumberError::TooLong)?;
    let text = head.bytes().chain(tail.bytes());
    match text.clone().next() {
        None => return Err(NumberError::Empty),
        Some(b'0') => return Err(NumberError::LeadingZero),
        Some(_) => {}
    }
    let value = text.fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    Ok(E164 { value, digits })
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.value)
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "E164({self})")
    }
}

impl PrefixIndex {
    /// The longest prefix a number begins with, and its position.
    pub fn lookup(&self, number: E164) -> Option<(u32, Prefix)> {
        self.lookup_digits(number.value, number.digits)
    }
}

/// How many rules an account may have: national habits need two or three.
pub const MAX_DIAL_RULES: usize = 32;

/// Rules that turn dialled digits of an account's phones into international ones: the longest `from` that a number begins
/// with is replaced by its `to`, once. A number dialled with `+` is international as it stands and meets no rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DialRules {
    /// Longest `from` first, so that the first that matches is the one.
    rules: Vec<(Box<str>, Box<str>)>,
}

/// Why a text is no list of dial rules.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DialRulesError {
    /// A rule without `=>`.
    #[error("dial rule {0:?} is not FROM=>TO")]
    NotARule(String),
    /// A side of a rule is more than 15 characters, or something other than digits.
    #[error("dial rule {0:?} holds something other than up to 15 digits on a side")]
    NotDigits(String),
    /// Two rules for one beginning.
    #[error("two dial rules replace {0:?}")]
    Duplicate(String),
    /// More than [`MAX_DIAL_RULES`].
    #[error("more than {MAX_DIAL_RULES} dial rules")]
    TooMany,
}

impl Default for DialRules {
    /// `00=>`: what begins with 00 is international, and so is everything else.
    fn default() -> Self {
        Self { rules: vec![("00".into(), "".into())] }
    }
}

impl FromStr for DialRules {
    type Err = DialRulesError;

    /// Reads `00=>,0=>49`. An empty `from` matches what no other rule does; an empty text is no rule at all.
    fn from_str(text: &str) -> Result<Self, DialRulesError> {
        let mut rules: Vec<(Box<str>, Box<str>)> = Vec::new();
        for rule in text.split(',').filter(|_| !text.is_empty()) {
            if rules.len() == MAX_DIAL_RULES {
                return Err(DialRulesError::TooMany);
            }
            let (from, to) =
                rule.split_once("=>").ok_or_else(|| DialRulesError::NotARule(rule.to_owned()))?;
            let fits = |side: &str| {
                side.len() <= MAX_DIGITS.into() && side.bytes().all(|byte| byte.is_ascii_digit())
            };
            if !fits(from) || !fits(to) {
                return Err(DialRulesError::NotDigits(rule.to_owned()));
            }
            if rules.iter().any(|(known, _)| **known == *from) {
                return Err(DialRulesError::Duplicate(from.to_owned()));
            }
            rules.push((from.into(), to.into()));
        }
        rules.sort_by_key(|(from, _)| core::cmp::Reverse(from.len()));
        Ok(Self { rules })
    }
}

impl fmt::Display for DialRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (from, to)) in self.rules.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            write!(f, "{comma}{from}=>{to}")?;
        }
        Ok(())
    }
}

/// The international number that `dialled` stands for under an account's rules. Only `0` to `9` and one leading
/// `+` are dialled; anything else is refused, never skipped.
///
/// | dialled | rules | number |
/// |---|---|---|
/// | `+442071838750` | any | 442071838750 |
/// | `00442071838750` | `00=>` | 442071838750 |
/// | `02071838750` | `00=>,0=>44` | 442071838750 |
/// | `442071838750` | `00=>,0=>44` | 442071838750 |
/// | `02071838750` | `00=>` | [`NumberError::LeadingZero`] |
pub fn normalise(dialled: &str, rules: &DialRules) -> Result<E164, NumberError> {
    if let Some(international) = dialled.strip_prefix('+') {
        return from_parts("", international);
    }
    let replaced = rules.rules.iter().find_map(|(from, to)| Some((to, dialled.strip_prefix(&**from)?)));
    match replaced {
        Some((to, rest)) => from_parts(to, rest),
        None => from_parts("", dialled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(dialled: &str, rules: &str) -> Result<String, NumberError> {
        normalise(dialled, &rules.parse().unwrap()).map(|number| number.to_string())
    }

    #[test]
    fn the_longest_rule_that_matches_is_applied_once() {
        let rules = "00=>,0=>49,0151=>4915199";
        assert_eq!(number("0151234", rules), Ok("4915199234".into()));
        assert_eq!(number("030123", rules), Ok("4930123".into()));
        assert_eq!(number("004930123", rules), Ok("4930123".into()));
        assert_eq!(number("0000123", rules), Err(NumberError::LeadingZero));
    }

    #[test]
    fn a_plus_means_international_and_meets_no_rule() {
        assert_eq!(number("+4930123", "49=>1"), Ok("4930123".into()));
        assert_eq!(number("4930123", "49=>1"), Ok("130123".into()));
        assert_eq!(number("+004930", "00=>"), Err(NumberError::LeadingZero));
    }

    #[test]
    fn a_rule_with_an_empty_beginning_takes_what_is_left() {
        assert_eq!(number("5550123", "00=>,=>1212"), Ok("12125550123".into()));
        assert_eq!(number("0044123", "00=>,=>1212"), Ok("44123".into()));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for (dialled, why) in [
            ("", NumberError::Empty),
            ("+", NumberError::Empty),
            ("00", NumberError::Empty),
            ("++49", NumberError::BadCharacter('+')),
            ("49+30", NumberError::BadCharacter('+')),
            ("49 30", NumberError::BadCharacter(' ')),
            ("49&SIP/x", NumberError::BadCharacter('&')),
            ("４９", NumberError::BadCharacter('４')),
            ("1234567890123456", NumberError::TooLong),
            ("030", NumberError::LeadingZero),
        ] {
            assert_eq!(normalise(dialled, &DialRules::default()), Err(why), "{dialled:?}");
        }
        assert_eq!(number("123456789012345", "00=>").as_deref(), Ok("123456789012345"));
    }

    #[test]
    fn bad_rules_are_refused_by_name() {
        for text in ["00", "0=>4x", "0=>49,", "+=>", "0=>1,0=>2", "1234567890123456=>"] {
            assert!(text.parse::<DialRules>().is_err(), "{text:?}");
        }
        let many = (100..133).map(|n| format!("{n}=>1")).collect::<Vec<_>>().join(",");
        assert_eq!(many.parse::<DialRules>(), Err(DialRulesError::TooMany));
        assert_eq!("".parse::<DialRules>().unwrap().to_string(), "");
        assert_eq!("0=>49,00=>".parse::<DialRules>().unwrap().to_string(), "00=>,0=>49");
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_one_to_fifteen_digits(dialled in "[+0-9]{0,20}|.{0,20}", rules in "(0{1,2}=>[0-9]{0,4}){0,1}") {
            if let Ok(number) = normalise(&dialled, &rules.parse().unwrap()) {
                let text = number.to_string();
                prop_assert!((1..=15).contains(&text.len()) && !text.starts_with('0'));
                prop_assert_eq!(text.len(), usize::from(number.digits()));
                prop_assert_eq!(text.parse::<E164>(), Ok(number));
            }
        }
    }
}
