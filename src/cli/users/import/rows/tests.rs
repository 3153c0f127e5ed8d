//! What a file may hold.

use aws_lc_rs::rand::SystemRandom;
use proptest::prelude::*;

use super::*;
use crate::{accounts::attribute::Attributes, clock::Timestamp};

/// The addresses of the good rows, and the lines of the bad ones, up to where it cannot be read.
fn read(format: Format, bytes: &[u8]) -> (Vec<String>, Vec<u64>, bool) {
    let attributes = Attributes::default();
    let members = Members::new(&attributes, Timestamp::from_secs(1_800_000_000), SystemRandom::new());
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let Ok(rows) = Rows::read(format, bytes, members) else { return (good, bad, false) };
    for row in rows {
        match row {
            Ok(Row::Good { member, .. }) => good.push(member.user.email.as_str().to_owned()),
            Ok(Row::Bad { line, .. }) => bad.push(line),
            Err(_) => return (good, bad, false),
        }
    }
    (good, bad, true)
}

#[test]
fn a_row_is_known_by_the_line_that_it_begins_in() {
    let csv = "\u{feff}password_hash,email\r\n,a@b.de\r\n,\"x\r\ny\"\r\n\r\n,\r\n,c@d.de";
    assert_eq!(read(Format::Csv, csv.as_bytes()), (vec!["a@b.de".into(), "c@d.de".into()], vec![3, 6], true));
    let jsonl = "\u{feff}\n{\"email\":\"a@b.de\",\"password_hash\":null}\r\n\n[]\n{\"password_hash\":null,\"email\":\"c@d.de\"}";
    assert_eq!(read(Format::Jsonl, jsonl.as_bytes()), (vec!["a@b.de".into(), "c@d.de".into()], vec![4], true));
}

proptest! {
    #[test]
    fn no_bytes_are_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read(Format::Csv, &bytes);
        read(Format::Jsonl, &bytes);
        let headed = [&b"email,password_hash,id,roles,disabled,date_joined\n"[..], &bytes].concat();
        read(Format::Csv, &headed);
    }

    #[test]
    fn no_values_are_a_panic(
        id in "\\PC{0,40}", hash in "([a-z0-9_]{0,15}\\$){0,4}\\PC{0,20}", joined in "[0-9TZ:+ .-]{0,30}", number in any::<i64>()
    ) {
        let row = serde_json::json!({ "email": "a@b.de", "password_hash": hash, "id": id, "date_joined": joined });
        read(Format::Jsonl, row.to_string().as_bytes());
        let row = serde_json::json!({ "email": "a@b.de", "password_hash": null, "id": number, "date_joined": number });
        let (good, bad, _) = read(Format::Jsonl, row.to_string().as_bytes());
        prop_assert_eq!(good.len() + bad.len(), 1);
        prop_assert!(number > 0 || bad == [1]);
    }
}
