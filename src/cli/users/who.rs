//! Which user is meant.

use std::str::FromStr;

use crate::accounts::{Uuid, email::Email};

/// A user by one of its names.
#[derive(Debug, Clone)]
pub(super) enum Who {
    Email(Email),
    Id(Uuid),
    Number(u64),
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('@') {
            return email(text).map(Self::Email);
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::Number).map_err(|_| "no user has such a number".to_owned());
        }
        text.parse().map(Self::Id).map_err(|_| "is neither an e-mail address nor a UUID nor a number".to_owned())
    }
}

/// An address.
pub(super) fn email(text: &str) -> Result<Email, String> {
    Email::parse(text).map_err(|error| format!("the address {error}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_user_is_named_by_address_number_or_uuid_and_by_nothing_else() {
        assert!(matches!("Zoë@example.com".parse(), Ok(Who::Email(_))));
        assert!(matches!("17".parse(), Ok(Who::Number(17))));
        assert!(matches!("6f9619ff-8b86-4011-b42d-00c04fc964ff".parse(), Ok(Who::Id(_))));
        for wrong in
            ["", "alice", "@", "a@b@c.de", "-1", "1.0", "99999999999999999999", "6f9619ff8b864011b42d00c04fc964ff"]
        {
            assert!(wrong.parse::<Who>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in any::<String>()) {
            let _ = text.parse::<Who>();
        }
    }
}
