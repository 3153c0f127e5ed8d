//! Headers that were read before. All tokens of one key have the same header, to the letter, so it need be decoded and
//! read only once.
//!
//! Only the header of a token that was correctly signed is remembered: a stranger cannot push it out.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwapOption;

use super::Header;

/// More keys than this are seldom in use at once; two whose headers meet in one place take turns.
const PLACES: usize = 16;

/// The headers of the keys that are in use.
#[derive(Default)]
pub struct RememberedHeaders {
    places: [ArcSwapOption<(Box<str>, Header)>; PLACES],
}

impl RememberedHeaders {
    /// What `text`, the first part of a token, says, if that is known.
    pub(in crate::jwt) fn recall(&self, text: &str) -> Option<Header> {
        let known = self.place(text).load();
        known.as_ref().filter(|known| *known.0 == *text).map(|known| known.1.clone())
    }

    pub(in crate::jwt) fn remember(&self, text: &str, header: &Header) {
        if self.recall(text).is_none() {
            self.place(text).store(Some(Arc::new((text.into(), header.clone()))));
        }
    }

    /// By the last bytes: there the ids of keys differ.
    fn place(&self, text: &str) -> &ArcSwapOption<(Box<str>, Header)> {
        let tail = text.as_bytes().iter().rev().take(8);
        let sum = tail.fold(text.len(), |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
        &self.places[sum % PLACES]
    }
}

impl fmt::Debug for RememberedHeaders {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RememberedHeaders").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kid: &str) -> Header {
        Header::parse(format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#).into_bytes()).unwrap()
    }

    #[test]
    fn a_header_is_recalled_by_its_whole_text_only() {
        let remembered = RememberedHeaders::default();
        remembered.remember("eyJh-one", &header("one"));
        assert_eq!(remembered.recall("eyJh-one").unwrap().key_id(), Some("one"));
        for other in ["eyJh-on", "eyJh-one.", "EyJh-one", "xyJh-one", ""] {
            assert!(remembered.recall(other).is_none(), "{other}");
        }
    }

    #[test]
    fn more_headers_than_places_are_still_told_apart() {
        let remembered = RememberedHeaders::default();
        for round in 0..2 {
            for number in 0..100 {
                let (text, kid) = (format!("header-{number}"), format!("{number}-{round}"));
                remembered.remember(&text, &header(&kid));
                let recalled = remembered.recall(&text).unwrap();
                assert!(recalled.key_id().unwrap().starts_with(&format!("{number}-")));
            }
        }
    }
}
