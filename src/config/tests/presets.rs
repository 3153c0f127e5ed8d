use std::path::Path;

use super::{OPEN, assert_mistakes, config, mistakes, read, read_in};
use crate::{
    authz::Access,
    clock::{Clock, Timestamp},
    config::{Config, KeySource, load},
    contract::{Contract, Facts, Preset},
    jwt::{Algorithm, InvalidToken},
    rejection::Rejection,
};

const ECHO: &str = "upstream.default.servers = 'builtin:echo'\n";

/// A folder with this preset in it.
fn folder(preset: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("own.toml"), preset).unwrap();
    folder
}

#[track_caller]
fn above(preset: &str, file: &str) -> Config {
    let loaded = read_in(folder(preset).path(), &format!("preset = './own.toml'\n{file}"));
    loaded.unwrap_or_else(|mistakes| panic!("{mistakes}")).config
}

fn patterns(config: &Config) -> Vec<String> {
    config.routes.iter().flat_map(|route| &route.patterns).map(ToString::to_string).collect()
}

fn body(config: &Config, rejection: &Rejection) -> String {
    let clock = Clock::manual(Timestamp::from_secs(0));
    let facts = Facts { path: "/", request_id: "1", clock: &clock };
    String::from_utf8(Contract::new(config.dialect.clone()).render(rejection, &facts).body().to_vec()).unwrap()
}

#[test]
fn every_shipped_preset_runs_with_an_upstream_alone() {
    let state = Path::new("/etc/bearergate/bearergate-state");
    for preset in Preset::ALL {
        let config = config(&format!("preset = '{}'\n{ECHO}", preset.name()));
        assert_eq!(config.preset.as_deref(), Some(preset.name()));
        assert!(!config.routes.is_empty() && config.issuers.len() == 1);
        let issuer = &config.issuers[0];
        match (&issuer.keys, preset) {
            (KeySource::GeneratedSecret(file), Preset::UptimeHunt) => {
                assert_eq!((file, &issuer.algorithms[..]), (&state.join("api.secret"), &[Algorithm::Hs256][..]));
            }
            (KeySource::SigningKeys(folder), Preset::HungryMachines | Preset::Homsai) => {
                assert_eq!((folder, &issuer.algorithms[..]), (&state.join("keys"), &[Algorithm::Es256][..]));
            }
            (other, _) => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_shipped_configuration_is_right() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/gateway.toml");
    let loaded = load(Path::new(shipped), &|_| None).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert_eq!(loaded.config.preset.as_deref(), Some("hungry-machines"));
}

#[test]
fn a_key_source_of_the_file_is_used_with_the_presets_settings() {
    let config =
        config(&format!("preset = 'uptimehunt'\n{ECHO}[issuer.api]\nsecret = {{ env = 'SECRET' }}\nleeway = '5s'"));
    let issuer = &config.issuers[0];
    assert!(matches!(&issuer.keys, KeySource::Secret { secret, .. } if secret.expose().starts_with(b"a secret")));
    assert_eq!(issuer.expectations.subject.to_string(), "user_id");
    assert_eq!((issuer.expectations.required_claims.len(), issuer.expectations.leeway.as_secs()), (1, 5));
}

#[test]
fn another_issuer_takes_the_place_of_a_generated_key() {
    let names = |text: &str| {
        let loaded = read(&format!("preset = 'homsai'\n{ECHO}{text}")).unwrap();
        let names: Vec<String> = loaded.config.issuers.into_iter().map(|issuer| issuer.name).collect();
        (names.join(" "), loaded.warnings.render(false))
    };
    let main = "[issuer.main]\nissuer = 'x'\nsecret.env = 'SECRET'\n";
    assert_eq!(names(main), ("main".to_owned(), String::new()));
    let (kept, warnings) = names(&format!("{main}[issuer.api]\nsigning_keys = 'keys'"));
    assert_eq!((kept.as_str(), warnings.as_str()), ("api main", ""));
    let (kept, warnings) = names(&format!("{main}[issuer.api]\nleeway = '1s'"));
    assert_eq!(kept, "main");
    assert!(warnings.contains("`issuer.api` is not used: it has no key source"), "{warnings}");
    assert!(warnings.contains("--> gateway.toml:6:9"), "{warnings}");
}

#[test]
fn only_a_presets_issuer_makes_its_own_keys() {
    let rendered = mistakes(&format!("preset = 'homsai'\n{ECHO}[issuer.main]\nissuer = 'x'"));
    assert!(rendered.contains("the issuer `main` has no key source"), "{rendered}");
}

#[test]
fn the_files_keys_win_table_by_table() {
    let config = above(
        "[limits]\nrequests = 1\nheaders = 2\n[upstream.default]\nservers = ['http://a', 'http://b']\nretries = 3\n\
         [roles]\nr = ['A', 'B']\n[identity_headers]\nX-A = 'a'\nX-B = 'b'\n",
        "[limits]\nrequests = 7\n[upstream.default]\nservers = ['http://c']\n[issuer.i]\nsigning_keys = 'k'\n\
         [identity_headers]\nX-B = 'c'",
    );
    assert_eq!((config.limits.requests, config.limits.headers), (7, 2));
    assert_eq!((config.upstreams[0].servers.len(), config.upstreams[0].retries), (1, 3));
    let headers: Vec<String> = config.identity_headers.headers.iter().map(|header| header.claim.to_string()).collect();
    assert_eq!(headers, ["a", "c"]);
}

#[test]
fn an_ownership_and_a_body_are_replaced_whole() {
    let preset = "[ownership.plant]\nvariable = 'id'\nclaim = 'a'\nunless = ['ADMIN']\n\
                  [dialect.invalid_token]\nstatus = 401\nbody = { detail = 'x', code = 'y' }\n\
                  [dialect.not_owner]\nstatus = 403\nbody = { detail = 'z' }\n";
    let file = format!(
        "[ownership.plant]\nvariable = 'uuid'\nclaim = 'b'\n[dialect.invalid_token]\nbody = {{ detail = 'new' }}\n{OPEN}"
    );
    let config = above(preset, &file);
    let ownership = &config.ownerships[0].ownership;
    assert_eq!((ownership.variable.as_str(), ownership.unless.len()), ("uuid", 0));
    assert_eq!(body(&config, &Rejection::InvalidToken(InvalidToken::NotAToken)), r#"{"detail":"new"}"#);
    assert_eq!(body(&config, &Rejection::NotOwner), r#"{"detail":"z"}"#);
}

#[test]
fn the_files_routes_are_added_and_win_for_the_same_match() {
    let preset =
        "[[route]]\nmatch = ['GET /a/{x}', 'GET /b']\n[[route]]\nmatch = 'GET /c'\n[[route]]\nmatch = 'GET /d'\n";
    let file = format!(
        "{ECHO}issuer.i.signing_keys = 'k'\n[[route]]\nmatch = ['GET /a/{{y}}', 'GET /c']\naccess = 'public'\n[[route]]\nmatch = 'GET /e'"
    );
    let config = above(preset, &file);
    assert_eq!(patterns(&config), ["GET /b", "GET /d", "GET /a/{y}", "GET /c", "GET /e"]);
    assert_eq!((config.routes[0].access, config.routes[2].access), (Access::Token, Access::Public));
}

#[test]
fn a_key_source_of_the_file_replaces_the_presets() {
    let config =
        above("[issuer.api]\nsecret = { env = 'SECRET' }\n", &format!("{ECHO}[issuer.api]\nsigning_keys = 'keys'"));
    assert!(matches!(config.issuers[0].keys, KeySource::SigningKeys(_)));
}

#[test]
fn a_presets_paths_are_relative_to_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    std::fs::write(folder.path().join("sub/own.toml"), "[issuer.api]\nsigning_keys = 'keys'\n").unwrap();
    let loaded = read_in(folder.path(), &format!("preset = 'sub/own.toml'\n{ECHO}")).unwrap();
    let expected = folder.path().join("sub/keys");
    assert!(matches!(&loaded.config.issuers[0].keys, KeySource::SigningKeys(path) if *path == expected));
    assert_eq!(loaded.config.preset.as_deref(), Some("sub/own.toml"));
}

#[test]
fn a_mistake_in_a_preset_names_the_presets_file() {
    let folder = folder("preset = 'homsai'\n[limits]\nrequests = 0\nheders = 1\n[cors]\norigins = []\n[x\n");
    let rendered = read_in(folder.path(), &format!("preset = './own.toml'\nmode = 1\n{ECHO}")).unwrap_err();
    let own = folder.path().join("./own.toml").display().to_string();
    for (message, place) in [
        ("`mode` must be a string, not an integer", "gateway.toml:2:8".to_owned()),
        ("a preset cannot have a preset", format!("{own}:1:1")),
        ("`limits.requests` must be between 1 and 10000000, not 0", format!("{own}:3:12")),
        ("unknown key `heders` in `limits`", format!("{own}:4:1")),
        ("`cors.origins` is an empty list", format!("{own}:6:11")),
        ("unclosed table, expected `]`", format!("{own}:7:3")),
    ] {
        assert!(rendered.contains(&format!("error: {message}\n --> {place}\n")), "{message} {place}\n{rendered}");
    }
}

#[test]
fn a_preset_that_is_not_there_is_a_mistake() {
    assert_mistakes(
        &format!("preset = 'homsay'\n{OPEN}"),
        &[("`preset` names \"homsay\", which is not a preset", "gateway.toml:1:10")],
    );
    assert!(mistakes(&format!("preset = 'homsay'\n{OPEN}")).contains("did you mean `homsai`?"));
    assert!(mistakes(&format!("preset = 'zzz'\n{OPEN}")).contains("there are hungry-machines, homsai, uptimehunt"));
    assert!(mistakes(&format!("preset = 'zzz.toml'\n{OPEN}")).contains("names a file that cannot be read"));
    assert!(mistakes(&format!("preset = 1\n{OPEN}")).contains("`preset` must be a string, not an integer"));
}
