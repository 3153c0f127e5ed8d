use aws_lc_rs::{rand::SystemRandom, test::rand::FixedByteRandom};
use proptest::prelude::*;

use super::*;

/// What all of [`MADE_ELSEWHERE`] are hashes of.
const PASSWORD: &str = "corrèct horse ☃";

/// Made by Django 5.2 (the first nine), by Python's bcrypt 5.0 and by argon2-cffi 25.1.
const MADE_ELSEWHERE: [(&str, &str); 16] = [
    ("pbkdf2_sha256", "pbkdf2_sha256$1200$Zm9vYmFyc2FsdDEyMzQ$ZOT07X3HPSLk5QfRIYa5gjN4y4+cyjcrCE4W6EZVrWs="),
    ("pbkdf2_sha256", "pbkdf2_sha256$1000$sält$M3b+pjPq4qvY3m5QAwfliF5OToKSW9Nq57EQrNBUxig="),
    ("pbkdf2_sha1", "pbkdf2_sha1$900$Zm9vYmFyc2FsdDEyMzQ$ksK406Xt9N8/EibE3oI4Ua6ajWk="),
    (
        "scrypt",
        "scrypt$16384$saltsaltsaltsalt12$8$5$Q/tkWJYDu3h3otuaeaAx9bVaxpcIK8WQqNWVTJOop7U6b7x9SIhVU1LO0oepjJvDzsF/UfZTH2z2NAPEi5Gcfw==",
    ),
    (
        "scrypt",
        "scrypt$1024$saltsaltsaltsalt12$8$1$BCDjZd89qlslagH+xZncyrPy92zfbIyfY4K7tYy5tIdNfCgxQ600D+7xd6kj6+Udvl6BzMft7YEVsc8Th7QoVg==",
    ),
    (
        "argon2id",
        "argon2$argon2id$v=19$m=8192,t=2,p=8$YWJjZGVmZ2hpamtsbW5vcHFyc3R1dg$Amg8cHGiqLttH8L8+bLES++vrxK5KvFb5ZPXzVigkuA",
    ),
    (
        "argon2id",
        "argon2$argon2id$v=19$m=102400,t=2,p=8$YWJjZGVmZ2hpamtsbW5vcHFyc3R1dg$kpk6zmepUzxvsvQhNeHVmKKmrN9fwy6osygTHAbjzQc",
    ),
    ("bcrypt_sha256", "bcrypt_sha256$$2b$05$m9HwQpcYC7LBvbwG0Igaqeo9RntxYDI8uE293fIoqJlWL7muJcDbG"),
    ("bcrypt", "bcrypt$$2b$05$OwT6QUODaBgcx9HpyZcT9ORYUk9gdwvPLsgHOlwAc8nWhlVDJXNoa"),
    ("bcrypt", "$2a$05$iE6aLouBWT8amPlDod9CyOk2ckIGcrve7UVWkKN5AHlD0DhLitYKG"),
    ("bcrypt", "$2b$05$40QjYVa0M4WArPz25sfBaenJOMZOjLM50m0UN6K7bATlt7ggLcAES"),
    ("bcrypt", "$2y$05$cSAPIbxDTCTMJbbJE9GKEevaYnB4/dBB6GKyF2Yjz7AlGL0XnkSue"),
    ("argon2i", "$argon2i$v=19$m=1024,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$NKUMsggBum1CxJcYk5M5fT7Mxpn1zJrYI391suJIqD8"),
    ("argon2id", "$argon2id$v=19$m=1024,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$zvYkw6TbFiNEFJv2M9axvKPFI6qpDH+iSVmRMHvBJsE"),
    ("argon2d", "$argon2d$v=19$m=1024,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$xHdxKGrKZ4GWWeGhGd82xPbDrShTuU19zoMrK9sGtgE"),
    ("argon2i", "$argon2i$m=512,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$nEw4rALygnvJS3jNdPNjhRtOBpHjh87P"),
];

/// By Python's bcrypt, of `a` and of 72 of them.
const BCRYPT_OF_A: &str = "$2b$05$VRJgPJUOctSfLgRNzyHGEOi5yShoXINxMYGUICsfZT2MFkRHEIjOC";
const BCRYPT_OF_72: &str = "$2b$05$HURs41c7C.C/Gdb6bysBM.UuTFb1k3PXT.uX3Q5YE4tJOQLXxya8O";

/// By argon2-cffi, with a salt of sixteen `0`.
const CURRENT: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$MDAwMDAwMDAwMDAwMDAwMA$rO5ajVK071qfGmyFuq2KWvSwjgOvt3Bgj5MMi2C1eD0";

fn hash(text: &str) -> PasswordHash {
    text.parse().unwrap()
}

fn verify(hash: &PasswordHash, password: &str) -> Verdict {
    hash.verify(&Password::from(password.to_owned())).unwrap()
}

fn mistake(text: &str) -> UnacceptableHash {
    text.parse::<PasswordHash>().unwrap_err()
}

#[test]
fn hashes_made_elsewhere_are_verified_and_asked_to_be_made_anew() {
    for (scheme, text) in MADE_ELSEWHERE {
        let hash = hash(text);
        assert_eq!(hash.scheme(), scheme, "{text}");
        assert_eq!(hash.as_str(), text);
        assert!(hash.needs_rehash(), "{text}");
        assert_eq!(verify(&hash, PASSWORD), Verdict::Correct { rehash: true }, "{text}");
    }
}

#[test]
fn a_wrong_password_is_wrong_in_every_form_and_nothing_is_normalised_or_trimmed() {
    let decomposed = PASSWORD.replace('è', "e\u{300}");
    for (_, text) in MADE_ELSEWHERE {
        let hash = hash(text);
        for wrong in ["", "correct horse", &decomposed, &format!("{PASSWORD} "), &format!("{PASSWORD}\0")] {
            assert_eq!(verify(&hash, wrong), Verdict::Wrong, "{wrong:?} {text}");
        }
    }
}

#[test]
fn a_new_hash_is_what_others_make_of_it() {
    let new = PasswordHash::new(&Password::from(PASSWORD.to_owned()), &FixedByteRandom { byte: b'0' }).unwrap();
    assert_eq!(new.as_str(), CURRENT);
    assert!(!new.needs_rehash());
    assert_eq!(verify(&hash(CURRENT), PASSWORD), Verdict::Correct { rehash: false });
    assert_eq!(verify(&hash(CURRENT), "another"), Verdict::Wrong);
}

#[test]
fn every_new_hash_has_another_salt() {
    let password = Password::from(PASSWORD.to_owned());
    let [one, other] = [(); 2].map(|()| PasswordHash::new(&password, &SystemRandom::new()).unwrap());
    assert_ne!(one.as_str(), other.as_str());
    assert_eq!(verify(&one, PASSWORD), verify(&other, PASSWORD));
}

#[test]
fn current_parameters_in_djangos_form_or_any_other_parameters_need_a_rehash() {
    assert!(hash(&format!("argon2{CURRENT}")).needs_rehash());
    for (current, other) in
        [("m=19456", "m=19457"), ("t=2", "t=3"), ("p=1", "p=2"), ("v=19", "v=16"), ("argon2id", "argon2i")]
    {
        assert!(hash(&CURRENT.replace(current, other)).needs_rehash(), "{other}");
    }
}

#[test]
fn bcrypt_reads_72_bytes_and_what_is_longer_is_not_hashed_anew() {
    let hash = hash(BCRYPT_OF_72);
    assert_eq!(verify(&hash, &"a".repeat(71)), Verdict::Wrong);
    assert_eq!(verify(&hash, &"a".repeat(72)), Verdict::Correct { rehash: true });
    assert_eq!(verify(&hash, &"a".repeat(73)), Verdict::Correct { rehash: false });
    assert_eq!(verify(&hash, &format!("{}\0", "a".repeat(72))), Verdict::Wrong);
    let whole = self::hash("bcrypt_sha256$$2b$05$U/wxLYB2GwYXPZ.InI2NFenhuFhptTMzajs9fmi0/wycHAy/EXoXG");
    assert_eq!(verify(&whole, &"a".repeat(100)), Verdict::Correct { rehash: true });
    assert_eq!(verify(&whole, &"a".repeat(99)), Verdict::Wrong);
}

#[test]
fn a_nul_is_not_what_bcrypt_repeats_its_key_with() {
    let hash = hash(BCRYPT_OF_A);
    assert_eq!(verify(&hash, "a"), Verdict::Correct { rehash: true });
    assert_eq!(verify(&hash, "a\0a"), Verdict::Wrong);
    assert_eq!(verify(&hash, "a\0"), Verdict::Wrong);
}

#[test]
fn an_unusable_hash_accepts_nothing() {
    for text in ["!", "!ajpXynpViH3zPczyBoLwUcAEz1Mj0xA0XnaJn2Aj", "!$2b$05$x"] {
        let hash = hash(text);
        assert!(hash.is_unusable() && hash.needs_rehash());
        assert_eq!(verify(&hash, ""), Verdict::Wrong);
        assert_eq!(verify(&hash, text), Verdict::Wrong);
    }
}

#[test]
fn a_hash_is_not_shown() {
    assert_eq!(format!("{:?}", hash(CURRENT)), "PasswordHash(argon2id, [redacted])");
    assert_eq!(format!("{:?}", Password::from(PASSWORD.to_owned())), "[redacted]");
}

#[test]
fn a_cost_that_could_hang_the_gateway_is_refused() {
    let output = "ZOT07X3HPSLk5QfRIYa5gjN4y4+cyjcrCE4W6EZVrWs=";
    let bare = output.trim_end_matches('=');
    for (text, cost) in [
        (format!("pbkdf2_sha256$10000001$salt${output}"), "rounds: 10000001; the most is 10000000"),
        (format!("pbkdf2_sha256$4294967295$salt${output}"), "rounds: 4294967295"),
        (BCRYPT_OF_A.replace("$05$", "$17$"), "cost 17; the most is 16"),
        (format!("bcrypt_sha256${}", BCRYPT_OF_A.replace("$05$", "$31$")), "cost 31"),
        (format!("$argon2id$v=19$m=262145,t=1,p=1$c2FsdHNhbHQ${bare}"), "KiB of memory: 262145; the most is 262144"),
        (format!("$argon2id$v=19$m=4294967295,t=4294967295,p=1$c2FsdHNhbHQ${bare}"), "KiB of memory: 4294967295"),
        (format!("argon2$argon2i$v=19$m=8,t=4294967295,p=1$c2FsdHNhbHQ${bare}"), "KiB in all passes: 34359738360"),
        (format!("scrypt$1048576$salt$8$1${output}"), "KiB of memory: 1048577"),
        (format!("scrypt$16384$salt$8$65${output}"), "KiB in all lanes: 1064960"),
        (format!("scrypt$2147483648$salt$4294967295$4294967295${output}"), "KiB of memory: "),
    ] {
        assert!(matches!(mistake(&text), UnacceptableHash::TooCostly { .. }), "{text}");
        assert!(mistake(&text).to_string().contains(cost), "{}", mistake(&text));
    }
    for highest in [
        format!("pbkdf2_sha256$10000000$salt${output}"),
        BCRYPT_OF_A.replace("$05$", "$16$"),
        format!("$argon2id$v=19$m=262144,t=16,p=255$c2FsdHNhbHQ${bare}"),
    ] {
        assert!(highest.parse::<PasswordHash>().is_ok(), "{highest}");
    }
}

#[test]
fn what_is_no_hash_is_refused_for_what_it_is() {
    let long = format!("pbkdf2_sha256$1000${}$ZOT07X3HPSLk5QfRIYa5gjN4y4+cyjcrCE4W6EZVrWs=", "s".repeat(512));
    for unknown in [
        "",
        "$",
        "plain text",
        "md5$salt$x",
        "sha1$a$b",
        "$1$salt$x",
        "$6$salt$x",
        "$argon",
        "PBKDF2_sha256$1$s$x",
        &long,
    ] {
        assert_eq!(mistake(unknown), UnacceptableHash::UnknownForm, "{unknown}");
    }
    for broken in [
        "$argon2id$v=19$m=19456,t=2,p=1$MDAwMDAwMDAwMDAwMDAwMA",
        "$argon2id$v=18$m=19456,t=2,p=1$MDAwMDAwMDAwMDAwMDAwMA$MDAwMDAwMDAwMDAwMDAwMA",
        "$argon2x$v=19$m=19456,t=2,p=1$MDAwMDAwMDAwMDAwMDAwMA$MDAwMDAwMDAwMDAwMDAwMA",
        "$argon2id$v=19$t=2,m=19456,p=1$MDAwMDAwMDAwMDAwMDAwMA$MDAwMDAwMDAwMDAwMDAwMA",
        "$argon2id$v=19$m=19456,t=2,p=1,keyid=x$MDAwMDAwMDAwMDAwMDAwMA$MDAwMDAwMDAwMDAwMDAwMA",
        "$argon2id$v=19$m=+8,t=2,p=1$MDAwMDAwMDAwMDAwMDAwMA$MDAwMDAwMDAwMDAwMDAwMA",
        "$argon2id$v=19$m=8,t=02,p=1$MDAwMDAwMDAwMDAwMDAwMA$MDAwMDAwMDAwMDAwMDAwMA",
        "$argon2id$v=19$m=8,t=0,p=1$MDAwMDAwMDAwMDAwMDAwMA$MDAwMDAwMDAwMDAwMDAwMA",
        "$argon2id$v=19$m=8,t=1,p=0$MDAwMDAwMDAwMDAwMDAwMA$MDAwMDAwMDAwMDAwMDAwMA",
        "$argon2id$v=19$m=8,t=1,p=2$MDAwMDAwMDAwMDAwMDAwMA$MDAwMDAwMDAwMDAwMDAwMA",
        "$argon2id$v=19$m=8,t=1,p=1$MDAw$MDAwMDAwMDAwMDAwMDAwMA",
        "$argon2id$v=19$m=8,t=1,p=1$MDAwMDAwMDAwMDAwMDAwMA$MDAw",
        "$argon2id$v=19$m=8,t=1,p=1$MDAwMDAwMDAwMDAwMDAwMA==$MDAwMDAwMDAwMDAwMDAwMA",
        "$2b$05$VRJgPJUOctSfLgRNzyHGEOi5yShoXINxMYGUICsfZT2MFkRHEIjO",
        "$2b$03$VRJgPJUOctSfLgRNzyHGEOi5yShoXINxMYGUICsfZT2MFkRHEIjOC",
        "$2b$5$VRJgPJUOctSfLgRNzyHGEOi5yShoXINxMYGUICsfZT2MFkRHEIjOC",
        "$2x$05$VRJgPJUOctSfLgRNzyHGEOi5yShoXINxMYGUICsfZT2MFkRHEIjOC",
        "$2b$05$VRJgPJUOctSfLgRNzyHGé",
        "bcrypt$",
        "bcrypt_sha256$$",
        "pbkdf2_sha256$1000$salt",
        "pbkdf2_sha256$0$salt$ZOT07X3HPSLk5QfRIYa5gjN4y4+cyjcrCE4W6EZVrWs=",
        "pbkdf2_sha256$-1$salt$ZOT07X3HPSLk5QfRIYa5gjN4y4+cyjcrCE4W6EZVrWs=",
        "pbkdf2_sha256$4294967296$salt$ZOT07X3HPSLk5QfRIYa5gjN4y4+cyjcrCE4W6EZVrWs=",
        "pbkdf2_sha256$1000$$ZOT07X3HPSLk5QfRIYa5gjN4y4+cyjcrCE4W6EZVrWs=",
        "pbkdf2_sha256$1000$salt$",
        "pbkdf2_sha256$1000$salt$ZOT0",
        "pbkdf2_sha1$1000$salt$ZOT07X3HPSLk5QfRIYa5gjN4y4+cyjcrCE4W6EZVrWs=",
        "scrypt$1023$salt$8$1$BCDjZd89",
        "scrypt$0$salt$8$1$BCDjZd89",
        "scrypt$1$salt$8$1$BCDjZd89",
        "scrypt$1024$salt$0$1$BCDjZd89",
        "scrypt$1024$salt$8$0$BCDjZd89",
        "scrypt$1024$salt$8$1$BCDjZd89",
        "scrypt$$$$$",
    ] {
        assert!(matches!(mistake(broken), UnacceptableHash::Malformed { .. }), "{broken}: {}", mistake(broken));
    }
}

proptest! {
    #[test]
    fn no_text_makes_reading_panic(text in any::<String>()) {
        let _ = text.parse::<PasswordHash>();
    }

    #[test]
    fn no_text_that_looks_like_a_hash_makes_reading_panic(
        form in "(\\$?argon2(id|i|d)?|argon2\\$argon2id|\\$2[abxy]|bcrypt(_sha256)?\\$|pbkdf2_sha(1|256)|scrypt)",
        rest in "(\\$[a-z0-9=,+/.é]{0,20}){0,6}",
    ) {
        let _ = format!("{form}{rest}").parse::<PasswordHash>();
    }

    #[test]
    fn a_hash_with_a_piece_cut_out_is_refused_or_read_as_it_stands(
        which in 0..MADE_ELSEWHERE.len(),
        (from, to) in (0..130_usize, 0..130_usize),
    ) {
        let mut text: Vec<char> = MADE_ELSEWHERE[which].1.chars().collect();
        let (from, to) = (from.min(to).min(text.len()), from.max(to).min(text.len()));
        text.drain(from..to);
        let text: String = text.into_iter().collect();
        if let Ok(hash) = text.parse::<PasswordHash>() {
            prop_assert_eq!(hash.as_str(), &text);
        }
    }
}
