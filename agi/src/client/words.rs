//! How Asterisk splits a command into words.

/// The words of a command line.
///
/// Blanks and tabs outside double quotes separate words; quotes are dropped, and begin a word (perhaps an empty one)
/// when they follow a blank; `\` takes the next character as it is, inside quotes and outside.
///
/// # Example
///
/// ```
/// use tollgate_agi::client::words;
/// assert_eq!(words(r#"SET VARIABLE  A "b \"c\" \\""#), ["SET", "VARIABLE", "A", r#"b "c" \"#]);
/// ```
#[must_use]
pub fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::with_capacity(4);
    let (mut quoted, mut escaped, mut between) = (false, false, true);
    for character in line.chars() {
        match character {
            '"' if !escaped => {
                quoted = !quoted;
                if quoted && between {
                    words.push(String::new());
                    between = false;
                }
                continue;
            }
            ' ' | '\t' if !quoted && !escaped => {
                between = true;
                continue;
            }
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            _ => {}
        }
        if between {
            words.push(String::new());
            between = false;
        }
        if let Some(word) = words.last_mut() {
            word.push(character);
        }
        escaped = false;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_asterisk_splits_them() {
        let cases: [(&str, &[&str]); 9] = [
            ("", &[]),
            ("   ", &[]),
            ("NOOP", &["NOOP"]),
            (" a\tb  c ", &["a", "b", "c"]),
            (r#"a "" b"#, &["a", "", "b"]),
            (r#"a "b c" d"#, &["a", "b c", "d"]),
            (r#"a b"c d"e"#, &["a", "bc de"]),
            (r"a\ b \\ \n", &["a b", r"\", "n"]),
            (r#"a "open end"#, &["a", "open end"]),
        ];
        for (line, expected) in cases {
            assert_eq!(words(line), expected, "{line:?}");
        }
    }
}
