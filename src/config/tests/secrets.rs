use std::{fs, path::Path};

use super::{environment, read_in};
use crate::config::{KeySource, Loaded, parse};

const STRONG: &str = "0123456789abcdef0123456789abcdef";

fn with_secret(secret: &str) -> String {
    format!("upstream.default.servers = 'builtin:echo'\n[issuer.main]\nsecret = {secret}\n")
}

fn refused(base: &Path, secret: &str) -> String {
    read_in(base, &with_secret(secret)).map(|loaded| format!("{:?}", loaded.config.issuers)).unwrap_err()
}

fn bytes(loaded: &Loaded) -> &[u8] {
    match &loaded.config.issuers[0].keys {
        KeySource::Secret { secret, .. } => secret.expose(),
        other => panic!("{other:?}"),
    }
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn a_secret_file_is_read_without_its_last_line_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    for (text, expected) in [
        (STRONG.to_owned(), STRONG.to_owned()),
        (format!("{STRONG}\n"), STRONG.to_owned()),
        (format!("{STRONG}\r\n"), STRONG.to_owned()),
        (format!(" {STRONG} \n\n"), format!(" {STRONG} \n")),
    ] {
        write(&file, &text, 0o600);
        let loaded = read_in(folder.path(), &with_secret("{ file = 'secret' }")).unwrap();
        assert_eq!(bytes(&loaded), expected.as_bytes());
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    }
}

#[test]
fn a_secret_that_is_not_there_or_empty_is_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("empty"), "\n", 0o600);
    for (secret, why, column) in [
        ("{ file = 'empty' }", "is empty", 19),
        ("{ file = 'none' }", "cannot be read: No such file", 19),
        ("{ env = 'NOWHERE' }", "the environment variable `NOWHERE` is not set", 18),
        ("{ env = 'EMPTY' }", "the environment variable `EMPTY` is empty", 18),
        ("{ env = 'a b' }", "`issuer.main.secret.env` must be the name of an environment variable", 18),
        ("{ env = '' }", "`issuer.main.secret.env` is empty", 18),
        ("{ env = 'SECRET', file = 'x' }", "needs exactly one of `env` and `file`", 10),
        ("{ weak = true }", "needs exactly one of `env` and `file`", 10),
        ("{ env = 'SECRET', weak = 1 }", "`issuer.main.secret.weak` must be `true` or `false`", 35),
        ("{ env = 'SECRET', fiel = 'x' }", "did you mean `file`?", 28),
    ] {
        let rendered = refused(folder.path(), secret);
        assert!(rendered.contains(why), "{why}: {rendered}");
        assert!(rendered.contains(&format!("--> gateway.toml:3:{column}\n")), "{column}: {rendered}");
    }
}

#[test]
fn a_short_secret_needs_to_be_called_weak() {
    let rendered = refused(Path::new("/"), "{ env = 'SHORT' }");
    assert!(rendered.contains("`issuer.main.secret` cannot be used") && rendered.contains("weak = true"), "{rendered}");
    assert!(!rendered.contains("too short"), "{rendered}");
    let loaded = read_in(Path::new("/"), &with_secret("{ env = 'SHORT', weak = true }")).unwrap();
    assert_eq!(bytes(&loaded), b"too short");
}

#[test]
fn a_secret_written_out_is_refused_and_not_shown() {
    for secret in
        ["'hunter2'", "\"\"\"\nhunter2\n\"\"\"", "['hunter2']", "\"hunter2", "'hunter2' x", "{ env = 'hunter2"]
    {
        let rendered = refused(Path::new("/"), secret);
        assert!(!rendered.contains("hunter2"), "{rendered}");
    }
    let rendered = refused(Path::new("/"), "'hunter2'");
    let expected = "\
error: `issuer.main.secret` must not stand in the configuration itself
 --> gateway.toml:3:10
  |
3 | secret = *********
  |          ^^^^^^^^^
  |
  = help: write `{ env = \"NAME\" }` or `{ file = \"path\" }`";
    assert_eq!(rendered, expected);
    for secret in ["{ env = 'hunter2!' }", "{ value = 'hunter2' }"] {
        let rendered = refused(Path::new("/"), secret);
        assert!(!rendered.contains("hunter2"), "{rendered}");
    }
    let rendered = refused(Path::new("/"), "{ env = 'SECRET' }\nsecrte = 'hunter2'");
    assert!(rendered.contains("did you mean `secret`?") && !rendered.contains("hunter2"), "{rendered}");
}

#[test]
fn a_credential_of_the_service_manager_is_found_by_its_name() {
    let (folder, credentials) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(&credentials.path().join("jwt"), STRONG, 0o400);
    let path = credentials.path().display().to_string();
    let environment = move |name: &str| {
        if name == "CREDENTIALS_DIRECTORY" { Some(path.clone()) } else { environment(name) }
    };
    let read = |secret: &str| parse(&with_secret(secret), "gateway.toml", folder.path(), &environment);
    assert_eq!(bytes(&read("{ file = 'jwt' }").unwrap()), STRONG.as_bytes());
    assert!(read("{ file = 'none' }").is_err());
    write(&folder.path().join("jwt"), "beside the file, which goes first: 32", 0o600);
    assert!(bytes(&read("{ file = 'jwt' }").unwrap()).starts_with(b"beside"));
}

#[cfg(unix)]
#[test]
fn a_secret_file_that_others_can_read_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("secret"), STRONG, 0o644);
    let loaded = read_in(folder.path(), &with_secret("{ file = 'secret' }")).unwrap();
    let rendered = loaded.warnings.render(false);
    assert!(
        rendered.starts_with("warning: the secret file") && rendered.contains("can be read by others"),
        "{rendered}"
    );
    assert!(rendered.contains("--> gateway.toml:3:19"), "{rendered}");
}
