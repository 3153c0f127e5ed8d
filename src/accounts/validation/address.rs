//! Why a text is no e-mail address, in the words of Python's `email-validator`, which is behind pydantic's `EmailStr`.

use std::collections::BTreeSet;

/// The longest text that pydantic looks at, in characters.
const LONGEST_TEXT: usize = 2048;
const LONGEST: usize = 254;
const LONGEST_LOCAL: usize = 64;
const LONGEST_DOMAIN: usize = 253;
const LONGEST_LABEL: usize = 63;

/// For a text that [`Email::parse`](crate::accounts::email::Email::parse) refuses.
pub(super) fn reason(text: &str) -> String {
    if text.chars().nth(LONGEST_TEXT).is_some() {
        return format!("Length must not exceed {LONGEST_TEXT} characters");
    }
    let Some((local, domain)) = text.split_once('@') else {
        return "An email address must have an @-sign.".into();
    };
    if local.starts_with('"') {
        return "Quoting the part before the @-sign is not allowed here.".into();
    }
    local_reason(local)
        .or_else(|| domain_reason(domain))
        .or_else(|| {
            let more = text.chars().count().checked_sub(LONGEST).filter(|more| *more > 0)?;
            Some(format!("The email address is too long ({}).", too_many(more)))
        })
        .or_else(|| {
            let unsafe_characters = displayed(text.chars().filter(|character| !character.is_ascii()))?;
            Some(format!("The email address contains unsafe characters: {unsafe_characters}."))
        })
        .unwrap_or_else(|| "The email address is not valid.".into())
}

fn local_reason(local: &str) -> Option<String> {
    if local.is_empty() {
        return Some("There must be something before the @-sign.".into());
    }
    let count = local.chars().count();
    if count > LONGEST_LOCAL {
        let more = too_many(count - LONGEST_LOCAL);
        return Some(format!("The email address is too long before the @-sign ({more})."));
    }
    let invalid = local.chars().filter(|one| {
        one.is_ascii() && !one.is_ascii_alphanumeric() && !".!#$%&'*+-/=?^_`{|}~".contains(*one) || one.is_whitespace()
    });
    if let Some(invalid) = displayed(invalid) {
        return Some(format!("The email address contains invalid characters before the @-sign: {invalid}."));
    }
    let text = if local.starts_with('.') {
        "An email address cannot start with a period."
    } else if local.ends_with('.') {
        "An email address cannot have a period immediately before the @-sign."
    } else if local.contains("..") {
        "An email address cannot have two periods in a row."
    } else {
        return None;
    };
    Some(text.into())
}

fn domain_reason(domain: &str) -> Option<String> {
    if domain.is_empty() {
        return Some("There must be something after the @-sign.".into());
    }
    if domain.starts_with('[') && domain.ends_with(']') {
        return Some("A bracketed IP address after the @-sign is not allowed here.".into());
    }
    let invalid = domain
        .chars()
        .filter(|one| one.is_ascii() && !one.is_ascii_alphanumeric() && !".-".contains(*one) || one.is_whitespace());
    if let Some(invalid) = displayed(invalid) {
        return Some(format!("The part after the @-sign contains invalid characters: {invalid}."));
    }
    let text = if domain.ends_with('.') {
        "An email address cannot end with a period."
    } else if domain.starts_with('.') {
        "An email address cannot have a period immediately after the @-sign."
    } else if domain.contains("..") {
        "An email address cannot have two periods in a row."
    } else if domain.ends_with('-') {
        "An email address cannot end with a hyphen."
    } else if domain.starts_with('-') {
        "An email address cannot have a hyphen immediately after the @-sign."
    } else if domain.contains(".-") || domain.contains("-.") {
        "An email address cannot have a period and a hyphen next to each other."
    } else {
        return domain_length(domain).or_else(|| last_label(domain));
    };
    Some(text.into())
}

fn domain_length(domain: &str) -> Option<String> {
    let count = domain.chars().count();
    if count > LONGEST_DOMAIN {
        let more = too_many(count - LONGEST_DOMAIN);
        return Some(format!("The email address is too long after the @-sign ({more})."));
    }
    let longest = domain.split('.').map(|label| label.chars().count()).max()?;
    (longest > LONGEST_LABEL).then(|| {
        let more = too_many(longest - LONGEST_LABEL);
        format!("After the @-sign, periods cannot be separated by so many characters ({more}).")
    })
}

fn last_label(domain: &str) -> Option<String> {
    let text = match domain.rsplit_once('.') {
        None => "The part after the @-sign is not valid. It should have a period.",
        Some((_, last)) if last.ends_with(|one: char| one.is_ascii_digit()) => {
            "The part after the @-sign is not valid. It is not within a valid top-level domain."
        }
        Some(_)
            if domain
                .split('.')
                .any(|label| label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"))) =>
        {
            "The part after the @-sign is not valid IDNA."
        }
        Some(_) => return None,
    };
    Some(text.into())
}

fn too_many(count: usize) -> String {
    format!("{count} character{} too many", if count == 1 { "" } else { "s" })
}

/// Each once, in order, so that none of them does anything where it is shown.
fn displayed(characters: impl Iterator<Item = char>) -> Option<String> {
    let shown: BTreeSet<String> = characters
        .map(|character| match character {
            ' ' => "SPACE".into(),
            '\\' => "\"\\\"".into(),
            '\'' => "\"'\"".into(),
            _ if character.is_ascii_graphic() => format!("'{character}'"),
            _ => format!("U+{:04X}", u32::from(character)),
        })
        .collect();
    (!shown.is_empty()).then(|| shown.into_iter().collect::<Vec<_>>().join(", "))
}
