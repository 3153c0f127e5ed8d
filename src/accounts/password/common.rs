//! Whether everybody would try this password first: the ten thousand most common ones (`common_passwords.LICENSE`).
//!
//! They are compared in lower case and without the spaces around, as Django's `CommonPasswordValidator` does.

use zeroize::Zeroizing;

/// In the order of their bytes, one a line.
const LIST: &str = include_str!("common_passwords.txt");

pub(super) fn is_common(password: &str) -> bool {
    let lower = Zeroizing::new(password.to_lowercase());
    let wanted = lower.trim();
    // Halves of the text instead of a list of its lines: nothing to build, nothing to keep.
    let mut rest = LIST;
    while !rest.is_empty() {
        let start = line_start(rest, rest.len() / 2);
        let line = rest[start..].lines().next().unwrap_or_default();
        match wanted.cmp(line) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => rest = &rest[..start],
            std::cmp::Ordering::Greater => rest = rest.get(start + line.len() + 1..).unwrap_or_default(),
        }
    }
    false
}

/// Where the line that has the byte at `position` begins.
fn line_start(text: &str, position: usize) -> usize {
    text.as_bytes()[..position].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order_and_every_line_of_it_is_found() {
        assert!(LIST.lines().count() > 9_900);
        assert!(LIST.lines().is_sorted_by(|one, next| one < next));
        for line in LIST.lines() {
            assert!(is_common(line), "{line}");
        }
    }

    #[test]
    fn letter_case_and_spaces_around_make_no_difference() {
        assert!(is_common("PassWord"));
        assert!(is_common("  123456\t"));
        assert!(is_common("ПАРОЛЬ"));
    }

    #[test]
    fn what_is_not_in_the_list_is_not_found() {
        for uncommon in ["", "\n", "pass word", "password\n123456", "correct horse battery", "~~~~~~~~~~", "\0", "пар"]
        {
            assert!(!is_common(uncommon), "{uncommon:?}");
        }
    }
}
