//! How many segments a text is charged as, and in which alphabet it goes out.
//!
//! | alphabet | one segment | each of several | what counts |
//! |---|---|---|---|
//! | GSM 7-bit with its extension table (3GPP TS 23.038) | 160 | 153 | septets: a character of the table is two |
//! | UCS-2 | 70 | 67 | UTF-16 units: a character beyond the basic plane is two |
//!
//! Neither pair is ever parted, so a segment may be one short. National language tables are not used: few networks carry
//! them.

use sms_splitter::SplitSms;
use sms_splitter::splitter_options::SplitterOptions;

use super::connector::Encoding;

/// The most segments of a message: beyond about ten, networks cut or drop the rest.
pub const MAX_SEGMENTS: u16 = 10;
/// Septets of each of several segments. No text of more characters than ten of them fits, whatever they are.
const MOST_IN_A_SEGMENT: usize = 153;

/// A text as it will be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Its alphabet.
    pub encoding: Encoding,
    /// Its segments: 1 to [`MAX_SEGMENTS`].
    pub segments: u16,
}

/// Why a text cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// A character that phones take for an order, or not at all.
    #[error("the control character U+{code:04X} cannot be sent; only line breaks and tabs can")]
    Control {
        /// Its number in Unicode.
        code: u32,
    },
    /// More segments than a message may have.
    #[error("it is longer than {MAX_SEGMENTS} segments")]
    TooLong,
}

/// The alphabet and the segments of a text.
pub fn count(text: &str) -> Result<Counted, TextError> {
    if text.is_empty() {
        return Err(TextError::Empty);
    }
    // Before the counting, whose work grows with the text.
    if text.chars().nth(usize::from(MAX_SEGMENTS) * MOST_IN_A_SEGMENT).is_some() {
        return Err(TextError::TooLong);
    }
    let is_sent = |c: char| !c.is_control() || matches!(c, '\r' | '\n' | '\t');
    if let Some(control) = text.chars().find(|c| !is_sent(*c)) {
        return Err(TextError::Control { code: u32::from(control) });
    }
    let options = SplitterOptions { support_shift_tables: false, summary: true };
    let split = SplitSms::new(options).split(String::from(text));
    let encoding = if split.character_set == "GSM" { Encoding::Gsm7 } else { Encoding::Ucs2 };
    let segments = u16::try_from(split.parts.len()).map_err(|_| TextError::TooLong)?;
    if segments > MAX_SEGMENTS {
        return Err(TextError::TooLong);
    }
    debug_assert!(segments > 0, "a text that is not empty has a segment");
    Ok(Counted { encoding, segments })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The default alphabet, row by row of the table in 3GPP TS 23.038 section 6.2.1, without the escape.
    const DEFAULT_ALPHABET: &str = concat!(
        "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ",
        " !\"#¤%&'()*+,-./0123456789:;<=>?",
        "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§",
        "¿abcdefghijklmnopqrstuvwxyzäöñüà",
    );
    /// Its extension table, section 6.2.1.1, without the form feed, which is a control character.
    const EXTENSION: &str = "^{}\\[~]|€";

    /// The standard read literally, to judge the library by: characters are put into segments one after the other, each
    /// whole.
    fn by_the_standard(text: &str) -> (Encoding, usize) {
        let is_gsm = text.chars().all(|c| DEFAULT_ALPHABET.contains(c) || EXTENSION.contains(c));
        let (encoding, single, each) =
            if is_gsm { (Encoding::Gsm7, 160, 153) } else { (Encoding::Ucs2, 70, 67) };
        let units = |c: char| match encoding {
            Encoding::Gsm7 => 1 + usize::from(EXTENSION.contains(c)),
            Encoding::Ucs2 => c.len_utf16(),
        };
        if text.chars().map(units).sum::<usize>() <= single {
            return (encoding, 1);
        }
        let (mut segments, mut room) = (1, each);
        for c in text.chars() {
            if units(c) > room {
                segments += 1;
                room = each;
            }
            room -= units(c);
        }
        (encoding, segments)
    }

    /// Every expectation is worked out by hand from the two tables of the standard and the four lengths above.
    #[test]
    fn texts_at_every_edge_have_the_segments_that_the_standard_gives_them() {
        use Encoding::{Gsm7, Ucs2};
        let a = |n: usize| "a".repeat(n);
        let ya = |n: usize| "я".repeat(n);
        for (text, encoding, segments) in [
            (a(1), Gsm7, 1),
            (a(160), Gsm7, 1),
            (a(161), Gsm7, 2),
            (a(306), Gsm7, 2),
            (a(307), Gsm7, 3),
            (a(459), Gsm7, 3),
            (a(460), Gsm7, 4),
            (a(1530), Gsm7, 10),
            // An extension character is two septets.
            ("€".repeat(80), Gsm7, 1),
            ("€".repeat(81), Gsm7, 2),
            (format!("{}€", a(158)), Gsm7, 1),
            (format!("{}€", a(159)), Gsm7, 2),
            // 152 and a pair that does not fit the first segment: 152 + (2 + 152), one septet of the first is lost.
            (format!("{}€{}", a(152), a(151)), Gsm7, 2),
            (format!("{}€{}", a(152), a(152)), Gsm7, 3),
            (format!("{}[{}", a(151), a(153)), Gsm7, 2),
            // 76 pairs and one septet lost in each of three segments.
            ("{".repeat(76 * 3), Gsm7, 3),
            ("{".repeat(76 * 3 + 1), Gsm7, 4),
            ("^{}\\[~]|€".to_owned(), Gsm7, 1),
            ("ñÑ¿¡ÇØøÅåÆæßÉ£¥§¤".to_owned(), Gsm7, 1),
            ("ΔΦΓΛΩΠΨΣΘΞ".to_owned(), Gsm7, 1),
            ("line\r\nline\n".to_owned(), Gsm7, 1),
            (format!("{}\r\n", a(158)), Gsm7, 1),
            (format!("{}\r\n", a(159)), Gsm7, 2),
            // Not in the alphabet: c with cedilla in lower case, other accents, a Greek letter of another form, the tab,
            // the grave accent, a typographic quote.
            ("ç".to_owned(), Ucs2, 1),
            ("á".to_owned(), Ucs2, 1),
            ("Α".to_owned(), Ucs2, 1),
            ("a\tb".to_owned(), Ucs2, 1),
            ("`".to_owned(), Ucs2, 1),
            (format!("’{}", a(69)), Ucs2, 1),
            (format!("’{}", a(70)), Ucs2, 2),
            // e and a combining acute are two characters, neither of which becomes é.
            (format!("e\u{301}{}", a(68)), Ucs2, 1),
            (format!("e\u{301}{}", a(69)), Ucs2, 2),
            (ya(70), Ucs2, 1),
            (ya(71), Ucs2, 2),
            (ya(134), Ucs2, 2),
            (ya(135), Ucs2, 3),
            (ya(670), Ucs2, 10),
            // A pair of units.
            ("😀".repeat(35), Ucs2, 1),
            ("😀".repeat(36), Ucs2, 2),
            (format!("{}😀", ya(68)), Ucs2, 1),
            (format!("{}😀", ya(69)), Ucs2, 2),
            // 66 and a pair that does not fit the first segment: 66 + (2 + 65).
            (format!("{}😀{}", ya(66), ya(65)), Ucs2, 2),
            (format!("{}😀{}", ya(66), ya(66)), Ucs2, 3),
            (format!("{}😀{}", ya(65), ya(67)), Ucs2, 2),
            ("😀".repeat(33 * 2), Ucs2, 2),
            ("😀".repeat(33 * 2 + 1), Ucs2, 3),
            // Five characters, eight units: joined emoji are as long as what they are made of.
            ("👨\u{200d}👩\u{200d}👧".to_owned(), Ucs2, 1),
            ("👨\u{200d}👩\u{200d}👧".repeat(9), Ucs2, 2),
        ] {
            let counted = count(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((counted.encoding, counted.segments), (encoding, segments), "{text}");
            let (encoding, segments) = by_the_standard(&text);
            assert_eq!((counted.encoding, usize::from(counted.segments)), (encoding, segments), "{text}");
        }
    }

    #[test]
    fn the_whole_alphabet_is_of_seven_bits() {
        for c in DEFAULT_ALPHABET.chars().chain(EXTENSION.chars()) {
            assert_eq!(count(&c.to_string()).unwrap().encoding, Encoding::Gsm7, "{c:?}");
        }
        assert_eq!(DEFAULT_ALPHABET.chars().count(), 127);
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_a_reason() {
        assert_eq!(count(""), Err(TextError::Empty));
        assert_eq!(count(&"a".repeat(1531)), Err(TextError::TooLong));
        assert_eq!(count(&"€".repeat(761)), Err(TextError::TooLong));
        assert_eq!(count(&"я".repeat(671)), Err(TextError::TooLong));
        assert_eq!(count(&"a".repeat(100_000_000)), Err(TextError::TooLong));
        for (text, code) in
            [("a\0", 0), ("\x1b[31m", 0x1b), ("a\x0cb", 0x0c), ("\u{7f}", 0x7f), ("\u{85}", 0x85)]
        {
            assert_eq!(count(text), Err(TextError::Control { code }), "{text:?}");
        }
        let reason = count("\x07").unwrap_err().to_string();
        assert_eq!(reason, "the control character U+0007 cannot be sent; only line breaks and tabs can");
    }

    proptest! {
        #[test]
        fn the_library_counts_as_the_standard_says(
            text in "[aé€\\[я😀\n]{1,400}", plain in "[a€^ñ]{140,330}",
        ) {
            for text in [text, plain] {
                let (encoding, segments) = by_the_standard(&text);
                match count(&text) {
                    Ok(counted) => {
                        prop_assert_eq!(counted.encoding, encoding);
                        prop_assert_eq!(usize::from(counted.segments), segments);
                    }
                    Err(error) => {
                        prop_assert_eq!(error, TextError::TooLong);
                        prop_assert!(segments > 10);
                    }
                }
            }
        }
    }

    proptest! {
        /// The number of segments that is charged equals the number that is sent.
        #[test]
        fn texts_are_charged_as_many_segments_as_are_sent(
            text in "(?s)[a-z€{}^çé\\[😀я\n]{1,400}|[ -~]{1,400}|\\PC{1,120}"
        ) {
            if let Ok(counted) = count(&text) {
                let sent = crate::messaging::alphabet::parts(&text, counted.encoding);
                prop_assert_eq!(sent.map(|parts| parts.len()), Some(usize::from(counted.segments)));
            }
        }
    }
}
