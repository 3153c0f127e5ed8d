use std::path::{Path, PathBuf};

use super::environment as usual;
use crate::{
    accounts::backend::supabase::SupabaseSettings,
    config::{
        Backend, Config, KeySource,
        context::{Context, Files},
        diagnostics::{Problems, Source},
        node::Table,
        parse,
        reader::Reader,
        supabase,
    },
};

const URL: (&str, &str) = ("SUPABASE_URL", "https://a.supabase.co");
const KEY: (&str, &str) = ("SUPABASE_PUBLISHABLE_KEY", "sb_publishable_x");

struct Read {
    settings: Option<Option<SupabaseSettings>>,
    mistakes: String,
    warnings: String,
}

/// Reads `[accounts]` with `lines` in it and nothing else.
fn read_in(base: &Path, lines: &str, environment: &[(&str, &str)]) -> Read {
    let text = format!("[accounts]\n{lines}");
    let lookup = |name: &str| environment.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned());
    let problems = Problems::default();
    let table = Table::parse(&text, 0, &lookup, &problems);
    let context = Context {
        problems: &problems,
        environment: &lookup,
        bases: vec![base.to_owned()],
        state_folder: PathBuf::from("/state"),
        files: &Files::default(),
    };
    let mut accounts = Reader::document(&table, &context).table("accounts").unwrap();
    let settings = supabase::read(&mut accounts);
    accounts.finish();
    let (mistakes, warnings) = problems.finish(vec![Source::new("gateway.toml", &text)]);
    Read { settings, mistakes: mistakes.render(false), warnings: warnings.render(false) }
}

#[track_caller]
fn issuer(lines: &str, environment: &[(&str, &str)]) -> String {
    let read = read_in(Path::new("/"), lines, environment);
    assert!(read.mistakes.is_empty() && read.warnings.is_empty(), "{}{}", read.mistakes, read.warnings);
    let settings = read.settings.flatten().expect("settings");
    assert!(!format!("{settings:?}").contains("sb_publishable"));
    settings.issuer().to_owned()
}

#[track_caller]
fn refused(lines: &str, environment: &[(&str, &str)]) -> String {
    let read = read_in(Path::new("/"), lines, environment);
    assert!(read.settings.is_none() || !read.mistakes.is_empty(), "{:?}", read.settings);
    read.mistakes
}

#[test]
fn the_project_is_written_or_named_and_what_is_missing_is_in_the_environment() {
    let there = "https://a.supabase.co/auth/v1";
    assert_eq!(issuer("", &[URL, KEY]), there);
    assert_eq!(issuer("supabase = {}", &[URL, KEY]), there);
    assert_eq!(issuer("supabase = { url = 'https://a.supabase.co' }", &[KEY]), there);
    assert_eq!(issuer("supabase.key = { env = 'OTHER' }", &[URL, ("OTHER", "x")]), there);
    let named = "supabase = { url = { env = 'THERE' }, key = { env = 'OTHER' } }";
    assert_eq!(issuer(named, &[("THERE", URL.1), ("OTHER", "x")]), there);
    // What is written wins.
    let written = "supabase = { url = 'http://127.0.0.1:54321/', key = { env = 'OTHER' } }";
    assert_eq!(
        issuer(written, &[URL, ("SUPABASE_PUBLISHABLE_KEY", "no key"), ("OTHER", "x")]),
        "http://127.0.0.1:54321/auth/v1"
    );
}

#[test]
fn a_key_in_a_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "sb_publishable_x\n").unwrap();
    let read = read_in(folder.path(), "supabase.key = { file = 'key' }", &[URL]);
    assert!(read.settings.flatten().is_some() && read.mistakes.is_empty(), "{}", read.mistakes);
}

#[test]
fn neither_setting_is_a_warning_and_no_mistake() {
    for (lines, environment) in
        [("", [].as_slice()), ("supabase = {}", &[]), ("", &[("SUPABASE_URL", ""), ("SUPABASE_PUBLISHABLE_KEY", "")])]
    {
        let read = read_in(Path::new("/"), lines, environment);
        assert!(matches!(read.settings, Some(None)) && read.mistakes.is_empty(), "{}", read.mistakes);
        assert!(read.warnings.starts_with("warning: Supabase is not configured"), "{}", read.warnings);
        assert!(read.warnings.contains("SUPABASE_URL") && read.warnings.contains("--> gateway.toml:1:"));
    }
}

#[test]
fn one_setting_without_the_other_is_a_mistake_that_names_it() {
    for (lines, environment, message, variable) in [
        ("", URL, "`accounts.supabase.key` is missing", KEY.0),
        ("", KEY, "`accounts.supabase.url` is missing", URL.0),
        ("supabase.url = 'https://a.supabase.co'", ("OTHER", "x"), "`accounts.supabase.key` is missing", KEY.0),
        ("supabase.key = { env = 'OTHER' }", ("OTHER", "x"), "`accounts.supabase.url` is missing", URL.0),
    ] {
        let rendered = refused(lines, &[environment]);
        assert!(rendered.starts_with(&format!("error: {message}\n")) && rendered.contains(variable), "{rendered}");
    }
}

#[test]
fn a_url_that_is_not_safe_or_none_is_a_mistake_at_its_place() {
    for (url, why) in [
        ("http://a.supabase.co", "is not https: whoever is on the way would see the passwords"),
        ("https://user:hunter2@a.supabase.co", "has credentials in it, which are not sent"),
        ("https://a.supabase.co?x=1", "has a query, and a path is to be added"),
        ("https://169.254.169.254", "is an address that is not asked"),
        ("a.supabase.co", "is no URL of the form https://host/path"),
    ] {
        let written = refused(&format!("supabase.url = '{url}'"), &[KEY]);
        assert!(written.starts_with(&format!("error: `accounts.supabase.url` {why}")), "{written}");
        assert!(written.contains("--> gateway.toml:2:16\n") && !written.contains("hunter2"), "{written}");
        let named = refused("", &[("SUPABASE_URL", url), KEY]);
        assert!(named.starts_with(&format!("error: `SUPABASE_URL` {why}")) && !named.contains("hunter2"), "{named}");
    }
}

#[test]
fn a_key_is_named_and_one_that_cannot_be_is_a_mistake() {
    let written = refused("supabase.key = 'hunter2'", &[URL]);
    assert!(written.contains("`accounts.supabase.key` must not stand in the configuration itself"), "{written}");
    let broken = refused("", &[URL, ("SUPABASE_PUBLISHABLE_KEY", "hunter2\n")]);
    assert!(broken.starts_with("error: `SUPABASE_PUBLISHABLE_KEY` is no key"), "{broken}");
    let unset = refused("supabase.key = { env = 'NOWHERE' }", &[URL, KEY]);
    assert!(unset.contains("the environment variable `NOWHERE` is not set"), "{unset}");
    for rendered in [written, broken] {
        assert!(!rendered.contains("hunter2"), "{rendered}");
    }
}

#[test]
fn every_mistake_is_told_and_an_unknown_key_too() {
    let rendered = refused("supabase = { url = 1, key = 'x', ulr = 'y' }", &[URL, KEY]);
    for part in
        ["`accounts.supabase.url` must be a string", "must not stand in the configuration", "did you mean `url`?"]
    {
        assert!(rendered.contains(part), "{part}: {rendered}");
    }
    let table = refused("supabase = 'https://a.supabase.co'", &[KEY]);
    assert!(table.contains("`accounts.supabase` must be a table, not a string"), "{table}");
}

const WHOLE: &str = "preset = 'hungry-machines'\nupstream.default.servers = 'builtin:echo'\nstore = 'sqlite:accounts.db'\n\
    [accounts]\nbackend = 'supabase'\n";

/// A whole configuration with these lines at its end, and its warnings; or its mistakes.
fn whole(lines: &str, environment: &[(&str, &str)]) -> Result<(Config, String), String> {
    let lookup = |name: &str| {
        let found = environment.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned());
        found.or_else(|| usual(name))
    };
    let read = parse(&format!("{WHOLE}{lines}"), "gateway.toml", Path::new("/etc/bearergate"), &lookup);
    read.map(|loaded| (loaded.config, loaded.warnings.render(false))).map_err(|mistakes| mistakes.render(false))
}

/// The `iss` that the tokens of `api` have to have, and where its keys are fetched.
#[track_caller]
fn tokens_of(lines: &str, environment: &[(&str, &str)]) -> (Option<String>, Option<String>) {
    let (config, _) = whole(lines, environment).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let [issuer] = &config.issuers[..] else { panic!("{:?}", config.issuers) };
    assert_eq!((issuer.name.as_str(), config.accounts.unwrap().issuer.as_str()), ("api", "api"));
    assert_eq!(issuer.expectations.audience, ["authenticated"]);
    let url = match &issuer.keys {
        KeySource::Remote { keys, required } => {
            assert!(!required);
            Some(keys.url().to_string())
        }
        _ => None,
    };
    (issuer.expectations.issuer.clone(), url)
}

fn both(iss: &str, url: &str) -> (Option<String>, Option<String>) {
    (Some(iss.to_owned()), Some(url.to_owned()))
}

#[test]
fn the_project_is_the_issuer_of_the_tokens() {
    let (iss, keys) = ("https://a.supabase.co/auth/v1", "https://a.supabase.co/auth/v1/.well-known/jwks.json");
    assert_eq!(tokens_of("", &[URL, KEY]), both(iss, keys));
    let local = "supabase = { url = 'http://127.0.0.1:54321/', key = { env = 'OTHER' } }";
    let base = "http://127.0.0.1:54321/auth/v1";
    assert_eq!(tokens_of(local, &[("OTHER", "x")]), both(base, &format!("{base}/.well-known/jwks.json")));
    // What the file says of the issuer beside its keys stays.
    assert_eq!(tokens_of("[issuer.api]\nissuer = 'https://id'", &[URL, KEY]), both("https://id", keys));
    assert_eq!(tokens_of("[issuer.api]\nleeway = '5s'", &[URL, KEY]), both(iss, keys));
}

#[test]
fn keys_that_the_file_gives_are_the_ones() {
    let own = "[issuer.api]\njwks_url = 'https://id/keys'";
    assert_eq!(tokens_of(own, &[URL, KEY]), (None, Some("https://id/keys".to_owned())));
    let secret = "[issuer.api]\nalgorithms = ['HS256']\nsecret = { env = 'SECRET' }\nissuer = 'https://id'";
    assert_eq!(tokens_of(secret, &[URL, KEY]), (Some("https://id".to_owned()), None));
}

#[test]
fn without_a_project_no_keys_are_known_and_nothing_is_signed_here() {
    let (config, warnings) = whole("", &[]).unwrap();
    assert!(warnings.starts_with("warning: Supabase is not configured"), "{warnings}");
    assert!(matches!(config.accounts.unwrap().backend, Backend::Supabase(None)));
    let nowhere = "https://supabase.invalid/auth/v1/.well-known/jwks.json";
    assert_eq!(tokens_of("", &[]), (None, Some(nowhere.to_owned())));
}

#[test]
fn what_is_wrong_is_told_once() {
    let told = |lines: &str, environment: &[(&str, &str)]| whole(lines, environment).unwrap_err();
    let count = |rendered: &str| rendered.matches("error: ").count();
    let half = told("", &[URL]);
    assert!(half.starts_with("error: `accounts.supabase.key` is missing") && count(&half) == 1, "{half}");
    let unset = told("supabase.key = { env = 'NOWHERE' }", &[URL]);
    assert!(unset.contains("the environment variable `NOWHERE` is not set") && count(&unset) == 1, "{unset}");
    let credentials = told("supabase.url = 'https://user:hunter2@a.supabase.co'", &[KEY]);
    assert!(count(&credentials) == 1 && !credentials.contains("hunter2"), "{credentials}");
    let plain = told("supabase.url = 'http://a.supabase.co'", &[KEY]);
    assert!(plain.contains("is not https") && count(&plain) == 1, "{plain}");
    let backend = told("backend = 'firebase'", &[URL, KEY]);
    assert!(count(&backend) >= 1, "{backend}");
}

#[test]
fn an_issuer_that_is_no_table_is_told_as_what_it_is() {
    for issuers in ["issuer = 'https://id'", "issuer.api = 'https://id'", "issuer = { api = 1 }"] {
        let text = format!("{issuers}\n{WHOLE}");
        let lookup =
            |name: &str| [URL, KEY].into_iter().find(|(one, _)| *one == name).map(|(_, value)| value.to_owned());
        let rendered = parse(&text, "gateway.toml", Path::new("/etc/bearergate"), &lookup).unwrap_err().render(false);
        assert!(rendered.contains("must be a table") && rendered.contains("gateway.toml:1:"), "{rendered}");
    }
}
