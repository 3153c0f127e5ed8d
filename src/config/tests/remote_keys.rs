use super::{assert_mistakes, config};
use crate::{config::KeySource, jwt::Algorithm};

const UPSTREAM: &str = "upstream.default.servers = 'builtin:echo'\n[issuer.main]\n";

#[test]
fn everything_about_fetched_keys_arrives() {
    let config = config(&format!(
        "{UPSTREAM}issuer = 'https://id.internal'\ndiscovery_url = 'http://id.internal:8080/'\nrefresh = '1m'\n\
         refresh_cooldown = '30s'\nmax_stale = '2h'\nrequire_keys = true\nallow_http = 'id.internal'\n"
    ));
    let KeySource::Remote { keys, required: true } = &config.issuers[0].keys else { panic!("{:?}", config.issuers) };
    assert_eq!(keys.url().to_string(), "http://id.internal:8080/.well-known/openid-configuration");
    let shown = format!("{keys:?}");
    for part in ["refresh: 60s", "cooldown: 30s", "max_stale: 7200s", "issuer: \"https://id.internal\""] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn without_algorithms_tokens_may_use_whatever_is_not_symmetric() {
    let config = config(&format!("{UPSTREAM}jwks_url = 'https://id.example.com/jwks'\n"));
    let algorithms = &config.issuers[0].algorithms;
    assert!(algorithms.contains(&Algorithm::Es256) && algorithms.contains(&Algorithm::Rs256));
    assert!(!algorithms.iter().any(|algorithm| algorithm.is_symmetric()));
}

#[test]
fn urls_that_must_not_be_fetched_from_are_mistakes() {
    for (line, mistake) in [
        ("jwks_url = 'http://id.example.com/jwks'", "is not https: whoever is on the way could give other answers"),
        ("jwks_url = 'https://a:b@id.example.com/'", "has credentials in it, which are not sent"),
        (
            "jwks_url = 'https://169.254.169.254/'",
            "is an address that is not asked (link-local, multicast or unspecified)",
        ),
        ("jwks_url = 'id.example.com'", "is no URL of the form https://host/path"),
        ("jwks_url = 7", "must be a string, not an integer"),
    ] {
        let message = format!("`issuer.main.jwks_url` {mistake}");
        assert_mistakes(&format!("{UPSTREAM}{line}\n"), &[(&message, "gateway.toml:3:12")]);
    }
}

#[test]
fn discovery_needs_the_issuer_and_a_base_without_a_query() {
    assert_mistakes(
        &format!("{UPSTREAM}discovery_url = 'https://id.example.com'\n"),
        &[("`issuer.main.discovery_url` needs `issuer`", "gateway.toml:3:17")],
    );
    assert_mistakes(
        &format!("{UPSTREAM}issuer = 'a'\ndiscovery_url = 'https://id.example.com/?a=b'\n"),
        &[("`issuer.main.discovery_url` has a query, and a path is to be added", "gateway.toml:4:17")],
    );
}

#[test]
fn what_does_not_fit_fetched_keys_or_needs_them_is_a_mistake() {
    let url = "jwks_url = 'https://id.example.com/jwks'\n";
    assert_mistakes(
        &format!("{UPSTREAM}algorithms = ['HS256']\n{url}"),
        &[("`issuer.main.algorithms` has HS256, for which a fetched key is no key", "gateway.toml:3:15")],
    );
    assert_mistakes(
        &format!("{UPSTREAM}{url}max_stale = '1m'\nrefresh = '500ms'\n"),
        &[
            ("`issuer.main.max_stale` leaves keys too old before they are fetched again", "gateway.toml:4:13"),
            ("`issuer.main.refresh` must be at least \"1s\"", "gateway.toml:5:11"),
        ],
    );
    assert_mistakes(
        &format!("{UPSTREAM}secret = {{ env = 'SECRET' }}\nrefresh = '10m'\nallow_http = 'a'\n"),
        &[
            ("`issuer.main.refresh` is for keys that are fetched: `jwks_url` or `discovery_url`", "gateway.toml:4:1"),
            (
                "`issuer.main.allow_http` is for keys that are fetched: `jwks_url` or `discovery_url`",
                "gateway.toml:5:1",
            ),
        ],
    );
    assert_mistakes(
        &format!("{UPSTREAM}{url}discovery_url = 'https://id.example.com'\nissuer = 'a'\n"),
        &[("the issuer `main` has more than one key source", "gateway.toml:4:1")],
    );
}
