use super::{assert_mistakes, config, mistakes};
use crate::config::KeySource;

const UPSTREAM: &str = "upstream.default.servers = 'builtin:echo'\n";
const ASKED: &str = "introspection_url = 'https://id.example.com/introspect'\nclient_id = 'gateway'\n\
                     client_secret = { env = 'SECRET' }\n";

fn issuer(lines: &str) -> String {
    format!("{UPSTREAM}[issuer.main]\n{lines}")
}

#[test]
fn an_issuer_that_is_asked_has_no_algorithms_and_its_secret_is_not_shown() {
    let config = config(&issuer(&format!("{ASKED}audience = 'orders'\nmax_life = '1h'\n")));
    let [issuer] = config.issuers.as_slice() else { panic!("{:?}", config.issuers) };
    let KeySource::Introspection(asked) = &issuer.keys else { panic!("{issuer:?}") };
    assert_eq!(asked.url().to_string(), "https://id.example.com/introspect");
    assert!(issuer.algorithms.is_empty());
    let shown = format!("{config:?}");
    let encoded = base64_simd::STANDARD.encode_to_string("gateway:a+secret+of+thirty-two+bytes%2C+or+more");
    assert!(!shown.contains(&encoded) && !shown.contains("thirty-two"), "{shown}");
}

#[test]
fn a_host_without_tls_has_to_be_named() {
    let plain = ASKED.replace("https", "http");
    let message = "`issuer.main.introspection_url` is not https: whoever is on the way could give other answers";
    assert_mistakes(&issuer(&plain), &[(message, "gateway.toml:3:21")]);
    config(&issuer(&format!("{plain}allow_http = 'id.example.com'\n")));
    config(&issuer(&plain.replace("id.example.com", "127.0.0.1:8080")));
}

#[test]
fn the_gateway_has_to_say_who_asks() {
    assert_mistakes(
        &issuer("introspection_url = 'https://id.example.com/introspect'\n"),
        &[
            (
                "`issuer.main.introspection_url` needs `client_id`: the provider has to know who asks",
                "gateway.toml:3:21",
            ),
            (
                "`issuer.main.introspection_url` needs `client_secret`: the provider has to know who asks",
                "gateway.toml:3:21",
            ),
        ],
    );
    let written = mistakes(&issuer(&ASKED.replace("{ env = 'SECRET' }", "'hunter2hunter2'")));
    assert!(written.contains("`issuer.main.client_secret` must not stand in the configuration itself"), "{written}");
    assert!(!written.contains("hunter2"), "{written}");
}

#[test]
fn what_is_said_of_keys_or_of_headers_has_no_use() {
    let beside = "algorithms = ['ES256']\ntyp = 'at+jwt'\nrefresh = '10m'\nrefresh_cooldown = '10s'\n\
                  max_stale = '1h'\nrequire_keys = true\n";
    let keys = ["algorithms", "typ", "refresh", "refresh_cooldown", "max_stale", "require_keys"];
    let messages = keys.map(|key| {
        format!("`issuer.main.{key}` has no use beside `introspection_url`: the issuer is asked, and no key")
    });
    let places: Vec<String> = (6..12).map(|line| format!("gateway.toml:{line}:1")).collect();
    let expected: Vec<_> = messages.iter().zip(&places).map(|(text, place)| (text.as_str(), place.as_str())).collect();
    assert_mistakes(&issuer(&format!("{ASKED}{beside}")), &expected);
}

#[test]
fn what_says_who_asks_is_for_nothing_else() {
    assert_mistakes(
        &issuer("secret = { env = 'SECRET' }\nclient_id = 'gateway'\nclient_secret = { env = 'SECRET' }\n"),
        &[
            ("`issuer.main.client_id` is for an issuer that is asked: `introspection_url`", "gateway.toml:4:1"),
            ("`issuer.main.client_secret` is for an issuer that is asked: `introspection_url`", "gateway.toml:5:1"),
        ],
    );
    let both = mistakes(&issuer(&format!("{ASKED}jwks_url = 'https://id.example.com/jwks'\n")));
    assert!(both.contains("the issuer `main` has more than one key source"), "{both}");
}

#[test]
fn only_one_issuer_can_be_asked() {
    let two = format!("{UPSTREAM}[issuer.a]\nissuer = 'a'\n{ASKED}[issuer.b]\nissuer = 'b'\n{ASKED}");
    let rendered = mistakes(&two);
    assert!(
        rendered.contains("the issuers `a` and `b` both have `introspection_url`\n --> gateway.toml:7:9"),
        "{rendered}"
    );
    config(&format!("{UPSTREAM}[issuer.a]\n{ASKED}[issuer.b]\nissuer = 'b'\nsecret.env = 'SECRET'\n"));
}

#[test]
fn an_issuer_that_is_asked_takes_the_place_of_a_presets_keys_and_algorithms() {
    for preset in ["hungry-machines", "homsai", "uptimehunt"] {
        let config = config(&format!("preset = '{preset}'\n{UPSTREAM}[issuer.api]\n{ASKED}"));
        assert!(matches!(config.issuers[0].keys, KeySource::Introspection(_)), "{preset}");
        assert!(config.issuers[0].algorithms.is_empty());
    }
}
