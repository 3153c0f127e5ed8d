//! Every configuration that is shipped or shown can be used: each `*.toml` beside the sources that is one, and every
//! block of TOML in the README and in `docs`.
//!
//! A block is often an excerpt. What it leaves out is added before it is read: an upstream, and where neither a preset,
//! an issuer nor a route is there, a preset. A block with `[dependencies]` is a Cargo.toml's.

#![cfg(feature = "gateway")]
#![expect(clippy::unwrap_used, reason = "a test that cannot read the repository has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use bearergate::{
    config::{self, KeySource, Loaded},
    contract::Preset,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every variable is set, to something that serves as a secret of any kind.
fn environment(name: &str) -> Option<String> {
    match name {
        "STATE_DIRECTORY" => None,
        "SMTP_URL" => Some("smtps://user:password@mail.example.com:465".to_owned()),
        name => Some(format!("a-value-of-{name}-longer-than-thirty-two-bytes")),
    }
}

/// The files of a folder of the repository that end like this.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(Path::new(ROOT).join(folder)) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    paths.sort();
    paths
}

#[track_caller]
fn load(path: &Path) -> Loaded {
    let loaded = config::load(path, &environment).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    loaded
}

/// An excerpt with what it leaves out, or `None` if it is not of a gateway.toml.
fn completed(block: &str) -> Option<String> {
    let table: toml::Table = block.parse().unwrap_or_else(|error| panic!("{error}\n{block}"));
    if table.contains_key("dependencies") {
        return None;
    }
    let mut text = String::new();
    if !["preset", "issuer", "route"].iter().any(|key| table.contains_key(*key)) {
        text.push_str("preset = \"hungry-machines\"\n");
    }
    text.push_str(block);
    if !table.contains_key("upstream") {
        text.push_str("\n[upstream.default]\nservers = [\"builtin:echo\"]\n");
    }
    if !["preset", "issuer"].iter().any(|key| table.contains_key(*key)) && table.contains_key("route") {
        text.push_str("\n[issuer.main]\nsecret = { env = \"ISSUER_SECRET\" }\n");
    }
    Some(text)
}

/// The blocks of TOML in a Markdown text, each with the number of its first line.
fn blocks(markdown: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String, bool)> = None;
    for (number, line) in markdown.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (Some(_), Some(_)) => blocks.extend(open.take().filter(|open| open.2).map(|open| (open.0, open.1))),
            (Some((_, text, _)), None) => text.extend([line, "\n"]),
            (None, Some(language)) => open = Some((number + 2, String::new(), language.trim() == "toml")),
            (None, None) => {}
        }
    }
    blocks
}

#[test]
fn every_shipped_configuration_is_right() {
    let examples = files("examples", "toml");
    assert_eq!(examples.len(), 4, "{examples:?}");
    for path in examples {
        let Loaded { config, .. } = load(&path);
        let name = path.file_stem().unwrap().to_str().unwrap();
        let preset = if Preset::named(name).is_some() { name.to_owned() } else { format!("./presets/{name}.toml") };
        assert_eq!(config.preset, Some(preset));
        assert!(!config.identity_headers.headers.is_empty(), "{}", path.display());
    }
    load(&Path::new(ROOT).join("gateway.toml"));
}

#[test]
fn the_examples_name_their_own_key_sources() {
    let keys = |name: &str| load(&Path::new(ROOT).join(format!("examples/{name}.toml"))).config.issuers.remove(0).keys;
    let folder = |name: &str| Path::new(ROOT).join("examples/bearergate-state").join(name);
    assert!(matches!(keys("hungry-machines"), KeySource::SigningKeys(path) if path == folder("hungry-machines")));
    assert!(matches!(keys("homsai"), KeySource::SigningKeys(path) if path == folder("homsai")));
    assert!(matches!(keys("uptimehunt"), KeySource::Secret { secret, weak: false, .. }
        if Some(secret.expose()) == environment("UPTIMEHUNT_JWT_KEY").as_deref().map(str::as_bytes)));
}

#[test]
fn every_preset_is_right_by_its_name_and_as_a_file() {
    for path in files("presets", "toml") {
        let name = path.file_stem().unwrap().to_str().unwrap();
        // What is said without a preset is written like one, and has no name.
        let named = Preset::named(name).is_some();
        assert_eq!(named, name != "standard", "{name}");
        let by_file = completed(&format!("preset = '{}'", path.display())).unwrap();
        let by_name = completed(&format!("preset = '{name}'")).unwrap();
        let issuer = "[issuer.api]\nsecret = { env = 'KEY' }\n";
        for text in [by_file].into_iter().chain(named.then_some(by_name)) {
            let text = if named { text } else { text + issuer };
            let loaded = config::parse(&text, name, Path::new(ROOT), &environment);
            loaded.unwrap_or_else(|mistakes| panic!("{mistakes}"));
        }
    }
}

#[test]
fn every_block_of_toml_in_the_documentation_is_right() {
    // What blocks name as a key file is there; secrets come from the environment.
    let base = tempfile::tempdir().unwrap();
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    fs::write(base.path().join("jwks.json"), format!(r#"{{"keys":[{jwk}]}}"#)).unwrap();
    let documents = files("", "md").into_iter().chain(files("docs", "md"));
    for path in documents {
        for (line, block) in blocks(&fs::read_to_string(&path).unwrap()) {
            let name = format!("{}, the block at line {line}", path.display());
            let Some(text) = completed(&block) else { continue };
            let read = config::parse(&text, &name, base.path(), &environment);
            read.unwrap_or_else(|mistakes| panic!("{mistakes}"));
        }
    }
}

#[test]
fn blocks_are_found_and_excerpts_completed() {
    let markdown = "text\n```toml\na = 1\n```\n```sh\nb = 2\n```\n- item\n  ```toml\n  c = 3\n  ```\n";
    assert_eq!(blocks(markdown), [(3, "a = 1\n".to_owned()), (10, "  c = 3\n".to_owned())]);

    let excerpt = completed("[limits]\nheaders = 50\n").unwrap();
    let config = config::parse(&excerpt, "excerpt", Path::new("/nowhere"), &environment).unwrap().config;
    assert_eq!((config.limits.headers, config.preset.as_deref()), (50, Some("hungry-machines")));

    assert!(completed("[dependencies]\nbearergate = '1'\n").is_none());
    let wrong = completed("[limits]\nheader = 50\n").unwrap();
    let mistakes = config::parse(&wrong, "excerpt", Path::new("/nowhere"), &environment).unwrap_err();
    assert!(mistakes.render(false).contains("did you mean `headers`?"), "{mistakes}");
}
