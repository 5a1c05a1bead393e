//! What may reach a terminal.

/// Replaces control characters, which could move the cursor or recolour the screen, and those that turn the direction of
/// writing; one for one, so that carets stay below what they point at.
pub(crate) fn clean(text: &str) -> String {
    let harmful = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if harmful(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_do_not_get_through() {
        assert_eq!(clean("a\u{1b}[31mb\r\n\tc\u{7f}\u{202e}é"), "a\u{fffd}[31mb\u{fffd}\n\tc\u{fffd}\u{fffd}é");
    }
}
