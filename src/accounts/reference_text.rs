//! References chosen by others, each naming one transfer permanently. A reference must not exist in two spellings that
//! look alike or mean the same: the transfer would happen twice.
//!
//! Rule: printable ASCII, and beyond it letters and digits in their only form (NFKC); single spaces, none at an end.
//! Case matters. Records stored under other texts before this rule are still found by their text.

use unicode_normalization::is_nfkc;

/// Letters that are displayed as blank.
const BLANK_LETTERS: [char; 2] = ['\u{115F}', '\u{1160}'];

/// Reasons to refuse a text as a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OddText {
    /// A space at an end.
    #[error("it must not begin or end with a space")]
    SpaceAtEnd,
    /// Two spaces side by side.
    #[error("it must not have two spaces side by side")]
    DoubleSpace,
    /// A character that is neither letter nor digit, or not visible.
    #[error("the character U+{:04X} is not allowed: printable ASCII, letters and digits are", u32::from(*.0))]
    Character(char),
    /// A letter with another spelling.
    #[error("it must be in the Unicode normal form NFKC")]
    NotNormal,
}

/// Checks that a text has only one spelling. The caller checks its length.
pub fn check(text: &str) -> Result<(), OddText> {
    if text.starts_with(' ') || text.ends_with(' ') {
        return Err(OddText::SpaceAtEnd);
    }
    if text.contains("  ") {
        return Err(OddText::DoubleSpace);
    }
    let fits = |c: char| {
        c == ' '
            || c.is_ascii_graphic()
            || (!c.is_ascii() && c.is_alphanumeric() && !BLANK_LETTERS.contains(&c))
    };
    // Report a combining mark as another spelling of a letter, not as a wrong character.
    if !is_nfkc(text) {
        return Err(OddText::NotNormal);
    }
    match text.chars().find(|c| !fits(*c)) {
        Some(c) => Err(OddText::Character(c)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_pass_in_any_script() {
        for good in
            ["ORDER-DEMO-10001", "plisio_order_123", "Bestellung Nr. 7 ü", "заказ 12", "注文7", "a/b:c#d", ""]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn one_name_has_one_spelling() {
        for (bad, why) in [
            (" A", OddText::SpaceAtEnd),
            ("A ", OddText::SpaceAtEnd),
            (" ", OddText::SpaceAtEnd),
            ("A  B", OddText::DoubleSpace),
            ("A\u{A0}B", OddText::NotNormal),
            ("A\u{2003}B", OddText::NotNormal),
            ("A\u{3000}B", OddText::NotNormal),
            ("A\u{FF11}", OddText::NotNormal),
            ("\u{FB01}x", OddText::NotNormal),
            ("u\u{308}", OddText::NotNormal),
            ("\u{212B}", OddText::NotNormal),
            ("A\u{200B}", OddText::Character('\u{200B}')),
            ("A\u{AD}", OddText::Character('\u{AD}')),
            ("\u{FEFF}A", OddText::Character('\u{FEFF}')),
            ("A\u{202E}", OddText::Character('\u{202E}')),
            ("A\u{FE0F}", OddText::Character('\u{FE0F}')),
            ("A\u{2028}B", OddText::Character('\u{2028}')),
            ("A\u{1680}B", OddText::Character('\u{1680}')),
            ("A\u{2800}", OddText::Character('\u{2800}')),
            ("A\u{1160}", OddText::Character('\u{1160}')),
            ("A\tB", OddText::Character('\t')),
            ("A\u{7F}", OddText::Character('\u{7F}')),
        ] {
            assert_eq!(check(bad), Err(why), "{bad:?}");
        }
    }
}
