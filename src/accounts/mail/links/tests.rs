use proptest::prelude::*;

use super::*;

const FRONTEND: &str = "https://app.example.com";

fn site(text: &str) -> SiteUrl {
    SiteUrl::parse(text).unwrap()
}

fn links() -> Links {
    let allowed = ["https://status.example.com:8443", "https://shared.example.com/team/one", "http://localhost:3000"];
    Links::new(site(FRONTEND), allowed.into_iter().map(site).collect(), Some(site("https://api.example.com/v1/")))
}

#[test]
fn a_link_leads_to_the_configured_site_or_to_one_of_the_list() {
    let links = links();
    assert_eq!(links.base(None), FRONTEND);
    for (asked, base) in [
        ("https://app.example.com", "https://app.example.com"),
        ("https://app.example.com/", "https://app.example.com"),
        ("https://app.example.com/de", "https://app.example.com/de"),
        ("https://status.example.com:8443/x/y/", "https://status.example.com:8443/x/y"),
        ("https://shared.example.com/team/one", "https://shared.example.com/team/one"),
        ("https://shared.example.com/team/one/two", "https://shared.example.com/team/one/two"),
        ("http://localhost:3000", "http://localhost:3000"),
    ] {
        assert_eq!(links.base(Some(asked)), base);
    }
}

/// What is asked for by those who want the link for themselves.
const ELSEWHERE: &[&str] = &[
    "",
    "/",
    "null",
    "evil.net",
    "//evil.net",
    "https://evil.net",
    "https://app.example.com.evil.net",
    "https://app.example.com.",
    "https://evil.net/https://app.example.com",
    "https://evil.net?https://app.example.com",
    "https://evil.net#https://app.example.com",
    "https://app.example.com@evil.net",
    "https://app.example.com:x@evil.net",
    "https://app.example.com:443@evil.net/",
    "https://user@app.example.com",
    "https://app.example.com\\@evil.net",
    "https://app.example.com/\\evil.net",
    "https:\\\\app.example.com",
    "https:/app.example.com",
    "https:///app.example.com",
    "https://app.example.com//evil.net",
    "https://app.example.com/../..",
    "https://app.example.com/%2e%2e",
    "https://app.example.com/.",
    "https://app.example.com?x",
    "https://app.example.com#x",
    "https://app.example.com:443",
    "https://app.example.com:8443",
    "https://app.example.com:",
    "https://app.example.com:0443",
    "https://app.example.com: 443",
    "http://app.example.com",
    "HTTPS://app.example.com",
    "https://APP.example.com",
    "https://app.examp\u{131}e.com",
    "https://\u{430}pp.example.com",
    "https://app\u{3002}example.com",
    "https://app.example.com\u{2044}evil.net",
    "https://app.example.com\u{0}",
    "https://app.example.com\r\n",
    "https://app.example.com/\nBcc: x",
    " https://app.example.com",
    "https://app.example.com ",
    "\thttps://app.example.com",
    "https://app.ex\tample.com",
    "https://app.example.com/<script>",
    "https://app.example.com/\"",
    "https://status.example.com",
    "https://status.example.com:8444",
    "https://shared.example.com",
    "https://shared.example.com/team",
    "https://shared.example.com/team/ones",
    "https://shared.example.com/team/one/../two",
    "https://shared.example.com/team/one%2f..%2f..",
    "http://127.0.0.1:3000",
    "javascript:alert(1)",
    "javascript://app.example.com/%0aalert(1)",
    "data:text/html,x",
    "ftp://app.example.com",
    "https://[::ffff:1.2.3.4]",
];

#[test]
fn whatever_else_is_asked_for_leads_to_the_configured_site() {
    let links = links();
    for asked in ELSEWHERE {
        assert_eq!(links.base(Some(asked)), FRONTEND, "{asked:?}");
    }
    let long = format!("{FRONTEND}/{}", "a".repeat(LONGEST));
    assert_eq!(links.base(Some(&long)), FRONTEND);
}

#[test]
fn a_site_has_one_spelling() {
    use SiteUrlError::{Host, Path, Port, Scheme};
    for good in [
        "https://a.example",
        "https://xn--mnchen-3ya.example/a/b",
        "http://localhost",
        "https://[2001:db8::1]:8443/x",
        "http://192.0.2.1",
        "https://a.example/@me/a:b",
    ] {
        assert_eq!(SiteUrl::parse(good).map(|site| site.to_string()), Ok(good.to_owned()));
    }
    for (bad, error) in [
        ("a.example", Scheme),
        ("https://", Scheme),
        ("https://münchen.example", Host),
        ("https://A.example", Host),
        ("https://a_b.example", Host),
        ("https://-a.example", Host),
        ("https://a..example", Host),
        ("https://0177.0.0.1", Host),
        ("https://127.1", Host),
        ("https://2130706433", Host),
        ("https://0x7f000001", Host),
        ("https://[2001:DB8::1]", Host),
        ("https://[2001:db8:0::1]", Host),
        ("https://[::1", Host),
        ("https://a.example:443", Port),
        ("http://a.example:80", Port),
        ("https://a.example:0", Port),
        ("https://a.example:65536", Port),
        ("https://a.example:+1", Port),
        ("https://a.example/?", Path),
        ("https://a.example//", Path),
        ("https://a.example/a//b", Path),
    ] {
        assert_eq!(SiteUrl::parse(bad), Err(error), "{bad}");
    }
    assert_eq!(site("https://a.example:8443/x").host(), "a.example:8443");
}

#[test]
fn a_link_is_made_of_its_pattern() {
    let link = |pattern: &str, values: &[(&str, &str)]| {
        links().link(&LinkPattern::parse(pattern).unwrap(), Some("http://localhost:3000/"), values)
    };
    let values = [("uid", "MQ"), ("token", "a/../b?c&d=é")];
    let encoded = "a%2F..%2Fb%3Fc%26d%3D%C3%A9";
    assert_eq!(
        link("$frontend/reset-password/$uid/$token", &values),
        Ok(format!("http://localhost:3000/reset-password/MQ/{encoded}")),
    );
    assert_eq!(
        link("$public/auth/confirm?token=$token", &values),
        Ok(format!("https://api.example.com/v1/auth/confirm?token={encoded}")),
    );
    assert_eq!(link("$frontend", &[]), Ok("http://localhost:3000".to_owned()));
    assert_eq!(link("$frontend/$token", &[("uid", "1")]), Err(LinkError::NoValue("token".to_owned())));
    for unfit in ["", ".", ".."] {
        assert_eq!(link("$frontend/$token/x", &[("token", unfit)]), Err(LinkError::Unfit("token".to_owned())));
    }
    let none = Links::new(site(FRONTEND), Vec::new(), None);
    let pattern = LinkPattern::parse("$public/x?t=$token#$uid").unwrap();
    assert!(!none.has_base_of(&pattern) && links().has_base_of(&pattern));
    assert_eq!(none.link(&pattern, None, &values), Err(LinkError::NoPublicUrl));
    assert_eq!(pattern.names().collect::<Vec<_>>(), ["token", "uid"]);
}

#[test]
fn a_pattern_leads_to_no_other_host() {
    use LinkPatternError::{Base, Character, Name};
    for (bad, error) in [
        ("", Base),
        ("https://evil.net/$token", Base),
        ("$front/$token", Base),
        ("$frontend.evil.net/$token", Base),
        ("$frontend@evil.net", Base),
        ("$frontend:1/x", Base),
        ("$frontend$token", Base),
        ("$frontends/x", Base),
        ("$frontend/$", Name),
        ("$frontend/$1", Name),
        ("$frontend/$$token", Name),
        ("$frontend/a b", Character),
        ("$frontend/\\x", Character),
        ("$frontend/\"", Character),
        ("$frontend/\r\n", Character),
        ("$frontend/é", Character),
    ] {
        assert_eq!(LinkPattern::parse(bad), Err(error), "{bad:?}");
    }
}

/// Texts that look like what is allowed.
fn asked() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("https://".to_owned()),
        Just("http://".to_owned()),
        Just("app.example.com".to_owned()),
        Just("shared.example.com/team/one".to_owned()),
        Just("https://app.example.com".to_owned()),
        Just("evil.net".to_owned()),
        "[/\\\\@:?#.%]{1,2}",
        "\\PC",
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_link_never_leaves_the_sites(asked in asked(), value in ".{1,20}") {
        let links = links();
        let base = links.base(Some(&asked));
        let sites = [FRONTEND, "https://status.example.com:8443", "https://shared.example.com/team/one",
            "http://localhost:3000"];
        prop_assert!(sites.iter().any(|site| base == *site || base.starts_with(&format!("{site}/"))), "{}", base);
        prop_assert!(base.bytes().all(|byte| byte.is_ascii_graphic()) && !base.contains("/.."));
        prop_assert!(base == FRONTEND || asked.starts_with(base));
        // Another parser sees the same host.
        let uri: http::Uri = base.parse().unwrap();
        prop_assert!(sites.iter().any(|site| site.parse::<http::Uri>().unwrap().authority() == uri.authority()));

        let pattern = LinkPattern::parse("$frontend/r/$token?q=$token").unwrap();
        if let Ok(link) = links.link(&pattern, Some(&asked), &[("token", &value)]) {
            let rest = link.strip_prefix(base).unwrap().to_owned();
            prop_assert_eq!(rest.matches(['/', '?', '#', '&', '\\']).count(), 3, "{}", rest);
            prop_assert!(link.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>".contains(&byte)));
        } else {
            prop_assert!(value == "." || value == "..");
        }
    }

    #[test]
    fn no_pattern_is_a_panic(text in "(\\$frontend|\\$public)?.{0,30}") {
        if let Ok(pattern) = LinkPattern::parse(&text) {
            let values: Vec<_> = pattern.names().map(|name| (name, "x")).collect();
            let link = links().link(&pattern, None, &values).unwrap();
            prop_assert!(link.starts_with("https://app.example.com") || link.starts_with("https://api.example.com/v1"));
        }
    }
}
