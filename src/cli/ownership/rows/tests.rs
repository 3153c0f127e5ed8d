use proptest::prelude::*;

use super::*;

fn names() -> Names {
    Names {
        ownerships: vec!["plant".to_owned()],
        issuers: vec!["main".to_owned(), "other".to_owned()],
        ownership: None,
        issuer: None,
    }
}

fn read(file: &[u8]) -> Result<Vec<Row>, String> {
    let rows = Rows::read(file, Names { issuer: Some("main".to_owned()), ..names() });
    rows.and_then(|rows| rows.collect()).map_err(|error| error.to_string())
}

fn record(resource: &str, subject: &str) -> OwnershipRecord {
    let [ownership, issuer] = ["plant", "main"].map(str::to_owned);
    OwnershipRecord { ownership, resource: resource.to_owned(), issuer, subject: subject.to_owned() }
}

fn good(resource: &str, subject: &str) -> Row {
    Row::Good(record(resource, subject))
}

#[test]
fn rows_are_read_as_rfc_4180_has_them() {
    let file = b"\xef\xbb\xbfsubject,resource\r\nalice,1\r\n\"a, \"\"b\"\"\",2\n bob ,3\n\ncarol,4";
    let rows = [good("1", "alice"), good("2", "a, \"b\""), good("3", " bob "), good("4", "carol")];
    assert_eq!(read(file).unwrap(), rows);
    assert_eq!(read(b"resource,subject\n").unwrap(), []);
}

#[test]
fn a_bad_row_is_told_by_its_line_and_the_others_are_read() {
    let long = "x".repeat(1025);
    let file =
        format!("resource,subject\n1,alice\n2\n3,bob,4\n,carol\n5,\n6,\"a\nb\"\n7,a\u{7f}\n{long},dave\n8,erin\n");
    let mut file = file.into_bytes();
    file.extend(b"9,\xff\n10,frank\n");
    let bad = |line, mistake: &str| Row::Bad { line, mistake: mistake.to_owned() };
    let rows = [
        good("1", "alice"),
        bad(3, "it has 1 fields, and the first line has 2"),
        bad(4, "it has 3 fields, and the first line has 2"),
        bad(5, "`resource` is empty"),
        bad(6, "`subject` is empty"),
        bad(7, "`subject` has control characters"),
        bad(9, "`subject` has control characters"),
        bad(10, "`resource` is longer than 1 KiB"),
        good("8", "erin"),
        bad(12, "`subject` is not UTF-8"),
        good("10", "frank"),
    ];
    assert_eq!(read(&file).unwrap(), rows);
}

#[test]
fn a_row_may_name_what_the_configuration_has() {
    let file = b"resource,subject,issuer,ownership\n1,alice,other,plant\n2,bob,nobody,plant\n3,carol,main,house\n";
    let rows: Vec<Row> = Rows::read(&file[..], names()).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows[0], Row::Good(OwnershipRecord { issuer: "other".to_owned(), ..record("1", "alice") }));
    let mistake = |row: &Row| if let Row::Bad { mistake, .. } = row { mistake.clone() } else { String::new() };
    assert_eq!(mistake(&rows[1]), "the configuration has no issuer \"nobody\"");
    assert_eq!(mistake(&rows[2]), "the configuration has no ownership \"house\"");
}

#[test]
fn headings_that_are_missing_unknown_or_doubled_are_refused() {
    for (file, told) in [
        ("", "no heading `resource`"),
        ("1,alice\n", "\"1\", which is no heading"),
        ("resource,owner\n", "\"owner\", which is no heading"),
        ("resource,resource,subject\n", "`resource` twice"),
        ("subject\n", "no heading `resource`"),
        ("resource,subject,issuer\n", "leave --issuer out"),
    ] {
        let mistake = read(file.as_bytes()).unwrap_err();
        assert!(mistake.contains(told), "{file:?}: {mistake}");
    }
    let mistake = Rows::read(&b"resource,subject\n"[..], names()).err().unwrap().to_string();
    assert_eq!(mistake, "say --issuer with one of: main, other");
}

#[test]
fn a_row_without_an_end_is_given_up() {
    let file = io::Read::chain(&b"resource,subject\n1,alice\n\"2"[..], io::repeat(b'x'));
    let mut rows = Rows::read(file, Names { issuer: Some("main".to_owned()), ..names() }).unwrap();
    assert_eq!(rows.next().unwrap().unwrap(), good("1", "alice"));
    assert!(rows.next().unwrap().unwrap_err().to_string().contains("longer than 1 MiB"));
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(resource in "[^\\p{Cc}]{1,40}", subject in "[^\\p{Cc}]{1,40}") {
        let mut text = "ownership,resource,issuer,subject\n".to_owned();
        write(&record(&resource, &subject), &mut text);
        let rows: Vec<Row> = Rows::read(text.as_bytes(), names()).unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(rows, [good(&resource, &subject)]);
    }

    #[test]
    fn any_bytes_are_rows_or_a_mistake(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
        let _ = read(&[b"resource,subject\n".as_slice(), &bytes].concat());
    }
}
