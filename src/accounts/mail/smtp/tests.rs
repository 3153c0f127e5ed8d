use proptest::prelude::*;

use super::*;

fn server(url: &str, plain: bool) -> Result<Smtp, SmtpMistake> {
    let url = Secret::from(url.to_owned());
    let settings = SmtpSettings { url, plain, authorities: None, timeout: Duration::from_secs(1) };
    Smtp::new(&settings, "example.com".to_owned())
}

#[test]
fn a_url_says_where_and_how_safely() {
    for (url, host, port, tls) in [
        ("smtp://127.0.0.1:1025", "127.0.0.1", 1025, "none"),
        ("smtp://localhost/", "localhost", 25, "none"),
        ("smtp://[::1]:2525", "::1", 2525, "none"),
        ("smtp+starttls://mail.example.com", "mail.example.com", 587, "starttls"),
        ("smtps://user:pass@mail.example.com", "mail.example.com", 465, "tls"),
        ("smtps://user%40example.com:p%3Ass%2F@mail.example.com:4650", "mail.example.com", 4650, "tls"),
    ] {
        let server = server(url, false).unwrap();
        let security = match server.security {
            Security::Plain => "none",
            Security::StartTls(_) => "starttls",
            Security::Tls(_) => "tls",
        };
        assert_eq!((server.host.as_str(), server.port, security), (host, port, tls), "{url}");
        assert_eq!(server.credentials.is_some(), url.contains("@mail"), "{url}");
    }
    assert!(server("smtp://mail.internal:25", true).is_ok());
    assert_eq!(credentials("u%40e:p%3ass%2F").unwrap(), Credentials::new("u@e".to_owned(), "p:ss/".to_owned()));
}

#[test]
fn what_is_no_url_of_a_server_is_refused_without_showing_it() {
    use SmtpMistake::{Credentials, Plain, Scheme, Url};
    for (url, mistake) in [
        ("", Url),
        ("mail.example.com", Url),
        ("smtps://", Url),
        ("smtps://mail.example.com/path", Url),
        ("smtps://mail.example.com?tls=no", Url),
        ("http://mail.example.com", Scheme),
        ("SMTP+TLS://mail.example.com", Scheme),
        ("smtp://mail.example.com", Plain),
        ("smtp://localhost.example.com", Plain),
        ("smtp://10.0.0.1:25", Plain),
        ("smtps://user@mail.example.com", Credentials),
        ("smtps://user:@mail.example.com", Credentials),
        ("smtps://:hunter2@mail.example.com", Credentials),
        ("smtps://user:hunter2%zz@mail.example.com", Credentials),
        ("smtps://user:hunter2%e9@mail.example.com", Credentials),
        ("smtps://user:hunter2%+1@mail.example.com", Credentials),
        ("smtps://user:hunter2%@mail.example.com", Credentials),
    ] {
        let found = server(url, false).unwrap_err();
        assert_eq!(found, mistake, "{url}");
        assert!(!found.to_string().contains("hunter2"));
    }
    let shown = format!("{:?}", server("smtps://user:hunter2@mail.example.com", false).unwrap());
    assert!(!shown.contains("hunter2") && !shown.contains("user"), "{shown}");
}

#[test]
fn only_what_is_about_the_recipient_is_for_good() {
    for (code, for_good) in [
        ("550", true),
        ("551", true),
        ("553", true),
        ("554", true),
        ("552", false),
        ("555", false),
        ("500", false),
        ("503", false),
        ("530", false),
        ("535", false),
        ("450", false),
        ("451", false),
        ("421", false),
    ] {
        let parsed = lettre::transport::smtp::response::Response::new;
        let digit = |at: usize| code.as_bytes()[at] - b'0';
        let severity =
            if digit(0) == 5 { Severity::PermanentNegativeCompletion } else { Severity::TransientNegativeCompletion };
        let category = match digit(1) {
            0 => Category::Syntax,
            2 => Category::Connections,
            3 => Category::Unspecified3,
            _ => Category::MailSystem,
        };
        let details = [Detail::Zero, Detail::One, Detail::Two, Detail::Three, Detail::Four, Detail::Five];
        let response = parsed(Code::new(severity, category, details[usize::from(digit(2))]), Vec::new());
        assert_eq!(number(response.code()).to_string(), code);
        assert_eq!(is_for_good(response.code()), for_good, "{code}");
    }
}

proptest! {
    #[test]
    fn no_url_is_a_panic_and_none_is_shown(url in "(smtps?://)?\\PC{0,40}") {
        if let Err(mistake) = server(&url, true) {
            prop_assert!(url.len() < 12 || !mistake.to_string().contains(&url));
        }
    }

    #[test]
    fn what_is_encoded_is_decoded(text in "\\PC{0,20}") {
        let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        prop_assert_eq!(decoded(&encoded), Ok(text));
    }
}
