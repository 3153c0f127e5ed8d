use proptest::prelude::*;
use serde_json::{Map, json};
use tempfile::TempDir;

use super::*;
use crate::accounts::{email::Email, mail::Letter};

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn built_in() -> Templates {
    Templates::new(None, None).unwrap()
}

/// What is wrong with these files: where, and what.
fn mistakes(files: &[(&str, &str)]) -> Vec<(String, Option<usize>, String)> {
    let folder = folder(files);
    let mistakes = Templates::new(Some(folder.path()), None).unwrap_err();
    let name = |file: PathBuf| {
        assert_eq!(file.parent(), Some(folder.path()));
        file.file_name().unwrap().to_str().unwrap().to_owned()
    };
    mistakes.0.into_iter().map(|mistake| (name(mistake.file), mistake.line, mistake.mistake)).collect()
}

fn letter(kind: MailKind) -> NewMail {
    Letter {
        kind,
        recipient: Email::parse("ada@example.com").unwrap(),
        name: Some("Ada <3".to_owned()),
        link: Some("https://app.example.com:8443/reset/MQ?a=1&b=%22".to_owned()),
        expires_in: Some(Duration::from_secs(3600)),
    }
    .into()
}

#[test]
fn every_kind_of_mail_says_what_it_has_to() {
    let templates = built_in();
    for kind in MailKind::ALL {
        let mut mail = letter(kind);
        mail.values["name"] = json!("Ada & Byron");
        let Rendered { subject, text, html } = templates.render(&mail, Duration::ZERO, "fallback").unwrap();
        assert!(subject.contains("app.example.com") && !subject.contains('\n'), "{subject}");
        assert!(text.starts_with("Hello Ada & Byron,\n\n"), "{text}");
        assert!(html.contains("Hello Ada &amp; Byron,"), "{html}");
        assert!(text.contains("\nhttps://app.example.com:8443/reset/MQ?a=1&b=%22\n"), "{text}");
        assert!(html.contains("MQ?a=1&amp;b=%22\""), "{html}");
        assert!(text.contains("If it was not you") || text.contains("If you did not"), "{text}");
        assert_eq!(text.contains("ends in 1 hour"), kind.needs_link(), "{text}");
        assert!(text.contains("ada@example.com") && html.contains("ada@example.com"));

        mail.values = Map::new();
        match templates.render(&mail, Duration::ZERO, "orders.example") {
            Err(error) => assert!(kind.needs_link() && error == RenderError::Value("link"), "{error}"),
            Ok(Rendered { subject, text, html }) => {
                assert!(!kind.needs_link() && subject.contains("orders.example"));
                assert!(text.starts_with("Hello,\n") && html.contains("<p>Hello,</p>"), "{text} {html}");
                assert!(!html.contains("href") && !text.contains("://"), "{text} {html}");
            }
        }
    }
}

#[test]
fn what_cannot_be_shown_is_not_sent_or_left_out() {
    let templates = built_in();
    let with = |name: &str, value: Value| {
        let mut mail = letter(MailKind::Reset);
        mail.values[name] = value;
        templates.render(&mail, Duration::ZERO, "p")
    };
    for link in ["", "javascript:alert(1)", "//evil", "https://", "https://a b", "https://a\"b", "https://a\nb", "x"] {
        assert_eq!(with("link", json!(link)), Err(RenderError::Value("link")), "{link:?}");
    }
    assert_eq!(with("link", Value::Null), Err(RenderError::Value("link")));
    assert_eq!(with("expires_in", json!("soon")), Err(RenderError::Value("expires_in")));
    for name in ["evil.com", "see https://evil", "a@b", "a\nb", "<b>", "www.evil", &"n".repeat(65)] {
        let mail = with("name", json!(name)).unwrap();
        assert!(mail.text.starts_with("Hello,\n"), "{}", mail.text);
    }
    for name in ["J. R. Smith", "Ada", "Dr. No.", "李 明", &"n".repeat(64)] {
        let mail = with("name", json!(name)).unwrap();
        assert!(mail.text.starts_with(&format!("Hello {name},\n")), "{}", mail.text);
    }
    let unknown = NewMail { template: "resets".to_owned(), ..letter(MailKind::Reset) };
    assert_eq!(templates.render(&unknown, Duration::ZERO, "p"), Err(RenderError::Unknown));
    let shown = format!("{:?} {:?}", with("name", json!("Ada")).unwrap(), templates);
    assert!(!shown.contains("Ada") && !shown.contains("MQ"), "{shown}");
}

#[test]
fn a_folder_takes_the_place_of_single_files() {
    let files = [
        ("reset.subject", "Neues Passwort für {{ product }}\n"),
        ("reset.html", "{% extends '_mine.html' %}{% block text %}<a href='{{ link }}'>{{ name }}</a>{% endblock %}"),
        ("_mine.html", "<h1>{{ product }}</h1>{% block text %}{% endblock %}"),
        ("notes.md", "{{"),
    ];
    let folder = folder(&files);
    let templates = Templates::new(Some(folder.path()), Some("Orders & Co".to_owned())).unwrap();
    let mut mail = letter(MailKind::Reset);
    mail.values["name"] = json!("O'Neil & Söhne");
    let mail = templates.render(&mail, Duration::ZERO, "p").unwrap();
    assert_eq!(mail.subject, "Neues Passwort für Orders & Co");
    assert!(mail.html.starts_with("<h1>Orders &amp; Co</h1><a href='https:"), "{}", mail.html);
    assert!(mail.html.contains("O&#x27;Neil &amp; Söhne"), "{}", mail.html);
    assert!(mail.text.starts_with("Hello O'Neil & Söhne,"), "{}", mail.text);
    let other = templates.render(&letter(MailKind::Invitation), Duration::ZERO, "p").unwrap();
    assert_eq!(other.subject, "Your invitation to Orders & Co");
}

#[test]
fn a_mistake_in_a_template_is_found_at_the_start_with_its_line() {
    let found = mistakes(&[("reset.txt", "Hello\n\n{{ link }\n"), ("reset.html", "{{ link }}\n{{ nmae }}")]);
    let [(file, line, what)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((file.as_str(), *line), ("reset.txt", Some(3)), "{what}");

    let found =
        mistakes(&[("reset.html", "{{ link }}\n\n{{ nmae }}"), ("invitation.subject", "{% if nmae %}x{% endif %}")]);
    let places: Vec<_> = found.iter().map(|(file, line, _)| (file.as_str(), *line)).collect();
    assert_eq!(places, [("reset.html", Some(3)), ("invitation.subject", Some(1))], "{found:?}");
    assert!(found.iter().all(|(_, _, what)| what.contains("undefined value")), "{found:?}");

    // In what others include.
    let found = mistakes(&[("_layout.html", "<p>\n{{ link.nothing.more }}{% block content %}{% endblock %}")]);
    assert!(found.iter().all(|(file, line, _)| file == "_layout.html" && *line == Some(2)), "{found:?}");

    let found = mistakes(&[("reset.txt", "no link\n"), ("rset.txt", "{{ link }}")]);
    assert_eq!(found, [("rset.txt".to_owned(), None, "is named like no template".to_owned())]);
    let found = mistakes(&[("reset.txt", "no link\n")]);
    assert_eq!(found, [("reset.txt".to_owned(), None, "does not show `link`".to_owned())]);
    for subject in ["", "\n", "a\nb", "a\rb", "{% if name %}{% else %}x{% endif %}"] {
        let found = mistakes(&[("reset.subject", subject)]);
        assert_eq!(found, [("reset.subject".to_owned(), None, "is not one line".to_owned())], "{subject:?}");
    }
    let folder = folder(&[]);
    fs::write(folder.path().join("reset.txt"), [0xff]).unwrap();
    assert!(Templates::new(Some(folder.path()), None).is_err());
    let missing = folder.path().join("nothing");
    let error = Templates::new(Some(&missing), None).unwrap_err().to_string();
    assert!(error.starts_with(missing.to_str().unwrap()), "{error}");
}

#[test]
fn a_product_that_is_two_lines_is_no_product() {
    let mistakes = Templates::new(None, Some("Orders\r\nBcc: x@evil.net".to_owned())).unwrap_err();
    assert_eq!(mistakes.0.len(), MailKind::ALL.len());
}

#[test]
fn a_mail_that_is_late_says_how_long_its_link_is_still_good() {
    let templates = built_in();
    let text = |seconds| {
        let mail = templates.render(&letter(MailKind::Reset), Duration::from_secs(seconds), "p")?;
        Ok(mail.text.lines().find_map(|line| Some(line.split_once("it ends in ")?.1.to_owned())).unwrap())
    };
    for (age, words) in
        [(0, "1 hour."), (59, "1 hour."), (60, "59 minutes."), (1000, "43 minutes."), (3540, "1 minute.")]
    {
        assert_eq!(text(age), Ok(words.to_owned()), "{age}");
    }
    for age in [3541, 3600, u64::MAX] {
        assert_eq!(text(age), Err(RenderError::Over), "{age}");
    }
    let hours = |life, age| left(Duration::from_secs(life), Duration::from_secs(age)).map(in_words);
    assert_eq!(hours(259_200, 61), Some("71 hours".to_owned()));
    assert_eq!((hours(30, 10), hours(30, 30)), (Some("30 seconds".to_owned()), None));
}

#[test]
fn a_life_is_told_in_words() {
    for (seconds, words) in [
        (3600, "1 hour"),
        (900, "15 minutes"),
        (60, "1 minute"),
        (259_200, "72 hours"),
        (86_400, "24 hours"),
        (604_800, "7 days"),
        (5400, "90 minutes"),
        (1, "1 second"),
        (0, "0 seconds"),
    ] {
        assert_eq!(in_words(Duration::from_secs(seconds)), words);
    }
}

proptest! {
    #[test]
    fn whatever_a_name_is_no_markup_comes_of_it(name in "(\\PC|[<>&\"'/.@\\\\\r\n]){0,12}") {
        let mut mail = letter(MailKind::Reset);
        mail.values["name"] = json!(name);
        let mail = built_in().render(&mail, Duration::ZERO, "p").unwrap();
        let plain = built_in().render(&letter(MailKind::Reset), Duration::ZERO, "p").unwrap();
        prop_assert_eq!(mail.html.matches(['<', '>', '"']).count(), plain.html.matches(['<', '>', '"']).count());
        prop_assert_eq!(mail.text.lines().count(), plain.text.lines().count());
        prop_assert_eq!(mail.subject, plain.subject);
    }
}
