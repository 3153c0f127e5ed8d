//! `users import`.

use std::{process::Stdio, time::Duration};

use serde_json::json;

use super::{add, done, folder, log_in, show, start, users};
use crate::cli::support::{Ended, Folder};

/// Made by Django 5.2, by Python's bcrypt 5.0 and by argon2-cffi 25.1.
const HASHES: [&str; 7] = [
    "pbkdf2_sha256$1200$Zm9vYmFyc2FsdDEyMzQ$ZOT07X3HPSLk5QfRIYa5gjN4y4+cyjcrCE4W6EZVrWs=",
    "pbkdf2_sha1$900$Zm9vYmFyc2FsdDEyMzQ$ksK406Xt9N8/EibE3oI4Ua6ajWk=",
    "scrypt$1024$saltsaltsaltsalt12$8$1$BCDjZd89qlslagH+xZncyrPy92zfbIyfY4K7tYy5tIdNfCgxQ600D+7xd6kj6+Udvl6BzMft7YEVsc8Th7QoVg==",
    "argon2$argon2id$v=19$m=8192,t=2,p=8$YWJjZGVmZ2hpamtsbW5vcHFyc3R1dg$Amg8cHGiqLttH8L8+bLES++vrxK5KvFb5ZPXzVigkuA",
    "bcrypt_sha256$$2b$05$m9HwQpcYC7LBvbwG0Igaqeo9RntxYDI8uE293fIoqJlWL7muJcDbG",
    "bcrypt$$2b$05$OwT6QUODaBgcx9HpyZcT9ORYUk9gdwvPLsgHOlwAc8nWhlVDJXNoa",
    "$2b$05$40QjYVa0M4WArPz25sfBaenJOMZOjLM50m0UN6K7bATlt7ggLcAES",
];
/// Of all of them.
const IMPORTED: &str = "corrèct horse ☃";

fn import(folder: &Folder, name: &str, contents: impl AsRef<[u8]>, more: &[&str]) -> Ended {
    folder.write(name, contents);
    users(folder, &[&["import", name], more].concat())
}

/// The one row that is good beside those that are not: how it ends, and what it says of them.
fn csv(folder: &Folder, contents: impl AsRef<[u8]>) -> (i32, String, String) {
    let ended = import(folder, "users.csv", contents, &[]);
    (ended.code, ended.stdout, ended.stderr)
}

#[test]
fn users_of_django_log_in_and_their_hashes_are_renewed() {
    let folder = folder("uptimehunt", "");
    let mut text = "\u{feff}id,email,password_hash,first_name,last_name,date_joined,roles,disabled\r\n".to_owned();
    for (at, hash) in HASHES.iter().enumerate() {
        let number = at + 100;
        text += &format!(
            "{number},u{at}@example.com,\"{hash}\",\"Zoë, \"\"Z\"\"\",\"Two\r\nlines\",2024-01-05 10:11:12.123+00,staff;PLANTS READ,f\r\n"
        );
    }
    text += "200,off@example.com,!uTkQ,,,1704449472,,True\r\n";
    let ended = import(&folder, "users.csv", text, &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "8 imported, 0 already there, 0 left out\n"), "{ended:?}");

    let user = show(&folder, "100");
    assert_eq!((&user["number"], &user["joined"]), (&json!(100), &json!("2024-01-05T10:11:12Z")));
    assert_eq!(user["attributes"], json!({ "first_name": "Zoë, \"Z\"", "last_name": "Two\r\nlines" }));
    assert_eq!(user["roles"], json!(["PLANTS READ", "staff"]));
    let off = show(&folder, "off@example.com");
    assert_eq!((&off["has_password"], off["disabled"].is_null()), (&json!(false), false));
    assert_eq!(off["joined"], "2024-01-05T10:11:12Z");

    let gateway = start(&folder, "uptimehunt", "");
    let database =
        || String::from_utf8_lossy(&[read(&folder, "state.db"), read(&folder, "state.db-wal")].concat()).into_owned();
    let renewed = || database().matches("$argon2id$v=19$m=19456").count();
    assert_eq!(renewed(), 0);
    for at in 0..HASHES.len() {
        let email = format!("u{at}@example.com");
        assert_eq!(log_in(&gateway, &email, "another one").0, 400, "{email}");
        let (status, answer) = log_in(&gateway, &email, IMPORTED);
        assert_eq!((status, answer["user"]["id"].as_u64()), (200, Some(at as u64 + 100)), "{answer}");
        assert_eq!(log_in(&gateway, &email, IMPORTED).0, 200, "with the new hash too");
    }
    assert!(renewed() >= HASHES.len());
    // The next one that is not imported is behind them.
    assert!(add(&folder, "new@example.com", &[]).stdout.ends_with("number 201.\n"));
}

fn read(folder: &Folder, name: &str) -> Vec<u8> {
    std::fs::read(folder.path().join(name)).unwrap_or_default()
}

#[test]
fn bad_rows_are_told_by_line_without_their_hash_and_the_rest_is_imported() {
    let folder = folder("uptimehunt", "");
    assert_eq!(add(&folder, "here@example.com", &[]).code, 0);
    let costly = "pbkdf2_sha256$10000001$salt$ZOT07X3HPSLk5QfRIYa5gjN4y4+cyjcrCE4W6EZVrWs=";
    let rows = [
        ("good@example.com,,7,,", ""),
        ("HERE@example.com,,,,", ""),
        ("no address,,,,", "line 4: `email` must have one `@`"),
        (",,,,", "line 5: `email` is empty"),
        ("a@example.com,plain-text-password,,,", "line 6: `password_hash` is not a password hash of a known form"),
        (
            &format!("b@example.com,{costly},,,"),
            "line 7: `password_hash` is a pbkdf2_sha256 hash with rounds: 10000001",
        ),
        ("c@example.com,,0,,", "line 8: `id` is not from 1 to"),
        ("d@example.com,,-3,,", "line 9: `id` is neither"),
        ("e@example.com,,7,,", "line 10: another user has this `id`"),
        ("f@example.com,,,maybe,", "line 11: `disabled` is neither true nor false"),
        ("g@example.com,,,,yesterday", "line 12: `date_joined` is neither"),
        ("h@example.com,,,", "line 13: it has 4 fields, and the first line has 5"),
        ("good@example.com,,,,", ""),
        ("last@example.com,,,,", ""),
    ];
    let text: String = rows.iter().map(|(row, _)| format!("{row}\n")).collect();
    let (code, stdout, stderr) = csv(&folder, format!("email,password_hash,id,disabled,date_joined\n{text}"));
    assert_eq!((code, stdout.as_str()), (1, "2 imported, 2 already there, 10 left out\n"), "{stderr}");
    for (row, told) in &rows {
        assert!(stderr.contains(told), "{row}: {stderr}");
    }
    assert!(!stderr.contains("plain-text-password") && !stderr.contains("ZOT07"), "{stderr}");
    assert_eq!(stderr.lines().count(), 10, "{stderr}");

    let many: String = (0..50).map(|at| format!("bad {at},,,,\n")).collect();
    let (code, stdout, stderr) = csv(&folder, format!("email,password_hash,id,disabled,date_joined\n{many}"));
    assert_eq!((code, stdout.as_str()), (1, "0 imported, 0 already there, 50 left out\n"));
    assert!(stderr.lines().count() == 21 && stderr.contains("and 30 more"), "{stderr}");
}

#[test]
fn a_file_that_is_none_is_refused_before_anything_is_written() {
    let folder = folder("uptimehunt", "");
    for (contents, told) in [
        (&b""[..], "no heading `email`"),
        (b"email\na@example.com\n", "no heading `password_hash`"),
        (b"email,password_hash,zip\n", "\"zip\", which is no heading"),
        (b"email,password_hash,email\n", "`email` twice"),
        (b"email,password_hash,Email\n", "\"Email\", which is no heading"),
        (b"email,password_hash,\x1b[2J\n", r"\u{1b}"),
        (b"email,password_hash,\xff\n", "UTF-8"),
        (b"email;password_hash\n", "no heading"),
    ] {
        let (code, stdout, stderr) = csv(&folder, contents);
        assert!(code == 1 && stdout.is_empty() && stderr.contains(told), "{contents:?}: {stderr}");
        assert!(!stderr.contains('\u{1b}'), "{stderr:?}");
    }
    assert!(!folder.names().contains(&"state.db".to_owned()));
    assert_eq!(users(&folder, &["import", "nowhere.csv"]).code, 1);
}

#[test]
fn hostile_rows_change_nothing_but_themselves() {
    let folder = folder("uptimehunt", "");
    let mut text = b"email,password_hash,first_name\n".to_vec();
    for row in [
        &b"a@example.com,,=cmd|' /C calc'!A0\n"[..],
        b"b@example.com,,\xff\xfe\n",
        b"c@example.com,,nul\0nul\n",
        b"'; DROP TABLE accounts; --,,x\n",
        b"d@example.com\x1b[2J,,x\n",
        "\u{202e}e@example.com,,x\n".as_bytes(),
        b"  f@example.com,,x\n",
        b"g@example.com,,\"quoted \"\" \n , x\"\n",
        b"\n\r\n",
        b"h@example.com,,x\r",
        b"i@example.com,,x",
    ] {
        text.extend_from_slice(row);
    }
    text.extend_from_slice(format!("\nlong@example.com,,{}\n", "x".repeat(151)).as_bytes());
    let (code, stdout, stderr) = csv(&folder, &text);
    assert_eq!((code, stdout.as_str()), (1, "4 imported, 0 already there, 7 left out\n"), "{stderr}");
    assert!(!stderr.contains(['\u{1b}', '\u{202e}', '\0']), "{stderr:?}");
    assert_eq!(show(&folder, "g@example.com")["attributes"]["first_name"], "quoted \" \n , x");
    let names: Vec<_> = done(&folder, &["list"])
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().last().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["a@example.com", "g@example.com", "h@example.com", "i@example.com"]);
}

#[test]
fn a_row_without_an_end_is_given_up_and_what_was_before_it_is_kept() {
    let folder = folder("uptimehunt", "");
    let endless = format!("email,password_hash\na@example.com,\nb@example.com,\"{}", "x\n".repeat(2 << 20));
    let (code, stdout, stderr) = csv(&folder, endless);
    assert_eq!((code, stdout.as_str()), (1, "1 imported, 0 already there, 0 left out\n"));
    assert!(stderr.contains("longer than 1 MiB"), "{stderr}");
    let lines =
        format!("{{\"email\":\"c@example.com\",\"password_hash\":null}}\n{{\"email\":\"{}", "x".repeat(4 << 20));
    let ended = import(&folder, "users.jsonl", lines, &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, "1 imported, 0 already there, 0 left out\n"));
}

#[test]
fn json_lines_say_the_same_strictly() {
    let folder = folder("uptimehunt", "");
    let id = "6f9619ff-8b86-4011-b42d-00c04fc964ff";
    let lines = [
        format!("\u{feff}{{\"email\":\"a@example.com\",\"password_hash\":\"{}\",\"id\":7,\"roles\":[\"staff\"]}}\r", HASHES[0]),
        format!("{{\"email\":\"b@example.com\",\"password_hash\":null,\"id\":\"{id}\",\"first_name\":\"B\",\"disabled\":true,\"date_joined\":1704449472}}"),
        String::new(),
        "{\"email\":\"c@example.com\",\"email\":\"d@example.com\",\"password_hash\":null}".to_owned(),
        "{\"email\":\"d@example.com\"}".to_owned(),
        "{\"email\":\"e@example.com\",\"password_hash\":null,\"is_superuser\":true}".to_owned(),
        "{\"email\":\"f@example.com\",\"password_hash\":null,\"first_name\":5}".to_owned(),
        "{\"email\":\"g@example.com\",\"password_hash\":null,\"id\":1.5}".to_owned(),
        "{\"email\":\"h@example.com\",\"password_hash\":null,\"disabled\":\"no\"}".to_owned(),
        "{\"email\":\"i@example.com\",\"password_hash\":null,\"roles\":[1]}".to_owned(),
        "[]".to_owned(),
        "{\"email\":".to_owned(),
        "{\"email\":\"j@example.com\",\"password_hash\":null,\"id\":9007199254740992}".to_owned(),
    ]
    .join("\n");
    let ended = import(&folder, "users.ndjson", &lines, &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, "2 imported, 0 already there, 10 left out\n"), "{ended:?}");
    for (line, told) in [
        (4, "it is no JSON"),
        (5, "no `password_hash`"),
        (6, "\"is_superuser\""),
        (7, "first_name"),
        (8, "`id`"),
        (9, "`disabled`"),
        (10, "`roles`"),
        (11, "no JSON object"),
        (12, "it is no JSON"),
        (13, "`id` is not from 1 to"),
    ] {
        let found = ended.stderr.lines().find(|told| told.starts_with(&format!("line {line}: "))).unwrap();
        assert!(found.contains(told), "{found}");
    }
    assert_eq!(show(&folder, "7")["roles"], json!(["staff"]));
    let second = show(&folder, id);
    assert_eq!((&second["number"], second["disabled"].is_null()), (&json!(8), false));
    // Whatever a file is called, its format can be said.
    let again = import(&folder, "users.txt", &lines, &["--format", "jsonl"]);
    assert_eq!(again.stdout, "0 imported, 2 already there, 10 left out\n");
}

#[test]
fn to_check_writes_nothing_and_to_import_again_adds_what_is_missing() {
    let folder = folder("uptimehunt", "");
    let rows = |count: usize| {
        let rows = (0..count).map(|at| format!("u{at}@example.com,,{}\n", at + 1));
        format!("email,password_hash,id\n{}", rows.collect::<String>())
    };
    let dry = |count| import(&folder, "users.csv", rows(count), &["--dry-run"]).stdout;
    assert_eq!(dry(600), "600 would be imported, 0 already there, 0 left out\n");
    assert!(!folder.names().contains(&"state.db".to_owned()));
    assert_eq!(csv(&folder, rows(600)).1, "600 imported, 0 already there, 0 left out\n");
    assert_eq!(dry(1300), "700 would be imported, 600 already there, 0 left out\n");
    assert_eq!(csv(&folder, rows(1300)).1, "700 imported, 600 already there, 0 left out\n");
    let taken = "email,password_hash,id\nx@example.com,,5\n";
    let ended = import(&folder, "users.csv", taken, &["--dry-run"]);
    assert!(ended.code == 1 && ended.stderr.contains("line 2: another user has this `id`"), "{ended:?}");
    assert_eq!(done(&folder, &["list"]).lines().count(), 1301);
}

#[test]
fn an_import_that_is_killed_leaves_whole_rows_and_goes_on_where_it_was() {
    const ROWS: usize = 4000;
    let folder = folder("uptimehunt", "");
    let rows = (0..ROWS).map(|at| format!("u{at}@example.com,,staff\n")).collect::<String>();
    folder.write("users.csv", format!("email,password_hash,roles\n{rows}"));
    done(&folder, &["list"]);
    assert_eq!(folder.run(&["db", "migrate"]).code, 0);
    let mut command = folder.command(&["users", "import", "users.csv"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let count = || done(&folder, &["list"]).lines().count() - 1;
    let mut tries = 0..2000;
    assert!(tries.any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        count() > 0
    }));
    super::super::support::shell(&format!("kill -INT {}", child.id()));
    child.wait().unwrap();
    let half = count();
    let granted = folder.run(&["roles", "list"]).stdout.lines().count() - 1;
    assert_eq!(granted, half, "each has its role");
    let ended = users(&folder, &["import", "users.csv"]);
    assert_eq!(ended.stdout, format!("{} imported, {half} already there, 0 left out\n", ROWS - half), "{ended:?}");
}

#[test]
fn a_large_file_takes_little_memory() {
    let folder = folder("uptimehunt", "");
    done(&folder, &["list"]);
    // 30 MiB from standard input, of which each row is left out: what is measured is the reader.
    let import = "head -c 30000000 /dev/zero | tr '\\0' 'x' | fold -w 100 | sed 's/$/,,/'";
    let program = folder.command(&[]);
    let line = format!(
        "cd '{}'; ulimit -v 400000; (echo email,password_hash,first_name; {import}) | '{}' users import -",
        folder.path().display(),
        program.get_program().to_str().unwrap()
    );
    let output = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(output.stdout, b"0 imported, 0 already there, 300000 left out\n");
}
