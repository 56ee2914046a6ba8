//! Texts as bytes: the GSM 7-bit default alphabet (3GPP TS 23.038), UCS-2, and how long ones are cut.

use super::connector::Encoding;

/// The GSM default alphabet by its codes; 0x1B leads into the extension table.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{1b}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const ESCAPE: u8 = 0x1b;
/// The extension table: each of these is two septets.
const EXTENSION: [(char, u8); 10] = [
    ('\u{c}', 0x0a),
    ('^', 0x14),
    ('{', 0x28),
    ('}', 0x29),
    ('\\', 0x2f),
    ('[', 0x3c),
    ('~', 0x3d),
    (']', 0x3e),
    ('|', 0x40),
    ('€', 0x65),
];

/// Septets of a text in one part, and of each part of several; the rest is the concatenation header.
const GSM_WHOLE: usize = 160;
const GSM_PART: usize = 153;
/// The same in bytes of UCS-2: 70 and 67 units.
const UCS2_WHOLE: usize = 140;
const UCS2_PART: usize = 134;

/// A character's septets, one a byte; `None` where the alphabet has none for it.
fn septets(c: char) -> Option<([u8; 2], usize)> {
    if c == char::from(ESCAPE) {
        return None;
    }
    if let Some(code) = BASIC.chars().position(|basic| basic == c) {
        return Some(([u8::try_from(code).ok()?, 0], 1));
    }
    let (_, code) = EXTENSION.iter().find(|(extended, _)| *extended == c)?;
    Some(([ESCAPE, *code], 2))
}

/// The bytes of each character: septets one a byte, or UCS-2 with a surrogate pair where there must be one. `None` where
/// the alphabet has not all of them.
fn characters(text: &str, encoding: Encoding) -> Option<Vec<Vec<u8>>> {
    let one = |c: char| match encoding {
        Encoding::Gsm7 => septets(c).map(|(codes, count)| codes[..count].to_vec()),
        Encoding::Ucs2 => {
            let mut units = [0_u16; 2];
            Some(c.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_be_bytes()).collect())
        }
    };
    text.chars().map(one).collect()
}

/// The whole text.
pub(crate) fn whole(text: &str, encoding: Encoding) -> Option<Vec<u8>> {
    Some(characters(text, encoding)?.concat())
}

/// The text in the parts it is sent in: one where it fits, else as many as are needed. No character is cut in two.
pub(crate) fn parts(text: &str, encoding: Encoding) -> Option<Vec<Vec<u8>>> {
    let (whole, longest) = match encoding {
        Encoding::Gsm7 => (GSM_WHOLE, GSM_PART),
        Encoding::Ucs2 => (UCS2_WHOLE, UCS2_PART),
    };
    let characters = characters(text, encoding)?;
    if characters.iter().map(Vec::len).sum::<usize>() <= whole {
        return Some(vec![characters.concat()]);
    }
    let mut parts: Vec<Vec<u8>> = vec![Vec::new()];
    for character in characters {
        match parts.last_mut() {
            Some(part) if part.len() + character.len() <= longest => part.extend(character),
            _ => parts.push(character),
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_has_its_128_places() {
        assert_eq!(BASIC.chars().count(), 128);
        let code = |c| septets(c).map(|(codes, count)| codes[..count].to_vec());
        for (c, wanted) in [
            ('@', vec![0x00]),
            ('\n', vec![0x0a]),
            ('\r', vec![0x0d]),
            ('_', vec![0x11]),
            (' ', vec![0x20]),
            ('¤', vec![0x24]),
            ('0', vec![0x30]),
            ('¡', vec![0x40]),
            ('A', vec![0x41]),
            ('Z', vec![0x5a]),
            ('§', vec![0x5f]),
            ('¿', vec![0x60]),
            ('z', vec![0x7a]),
            ('à', vec![0x7f]),
            ('€', vec![0x1b, 0x65]),
            ('[', vec![0x1b, 0x3c]),
        ] {
            assert_eq!(code(c), Some(wanted), "{c:?}");
        }
        assert_eq!(code('\u{1b}'), None);
        assert_eq!(code('ç'), None);
        assert_eq!(whole("Привет", Encoding::Gsm7), None);
    }

    #[test]
    fn a_text_that_fits_goes_whole_and_a_longer_one_in_parts() {
        let lengths = |text: &str, encoding| -> Vec<usize> {
            parts(text, encoding).unwrap().iter().map(Vec::len).collect()
        };
        let gsm = |text: &str| lengths(text, Encoding::Gsm7);
        let ucs2 = |text: &str| lengths(text, Encoding::Ucs2);
        assert_eq!(gsm(""), [0]);
        assert_eq!(gsm(&"a".repeat(160)), [160]);
        assert_eq!(gsm(&"a".repeat(161)), [153, 8]);
        assert_eq!(gsm(&"€".repeat(80)), [160]);
        assert_eq!(ucs2(&"я".repeat(70)), [140]);
        assert_eq!(ucs2(&"я".repeat(71)), [134, 8]);
    }

    #[test]
    fn nothing_is_cut_in_two() {
        let text = format!("{}€{}", "a".repeat(152), "b".repeat(20));
        let cut = parts(&text, Encoding::Gsm7).unwrap();
        assert_eq!(cut.iter().map(Vec::len).collect::<Vec<_>>(), [152, 22]);
        assert_eq!(cut[1][..2], [0x1b, 0x65]);
        let text = format!("{}😀{}", "я".repeat(66), "я".repeat(10));
        let cut = parts(&text, Encoding::Ucs2).unwrap();
        assert_eq!(cut.iter().map(Vec::len).collect::<Vec<_>>(), [132, 24]);
        assert_eq!(cut.concat(), whole(&text, Encoding::Ucs2).unwrap());
    }
}
