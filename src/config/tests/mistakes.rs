use std::path::Path;

use super::{OPEN, assert_mistakes, environment, mistakes, read};
use crate::config::load;

#[test]
fn a_mistake_is_shown_with_its_file_line_column_and_what_was_meant() {
    let text = "[upstream.default]\nservers = [\"builtin:echo\"]\n\n[issuer.main]\nisuer = \"https://id.example.com\"\n\
                secret = { env = \"SECRET\" }\n";
    let expected = "\
error: unknown key `isuer` in `issuer.main`
 --> gateway.toml:5:1
  |
5 | isuer = \"https://id.example.com\"
  | ^^^^^
  |
  = help: did you mean `issuer`?";
    assert_eq!(mistakes(text), expected);
}

#[test]
fn a_mistake_in_a_value_points_at_the_value() {
    let text = format!("[listen]\n  address = \":8080\"\n{OPEN}");
    let expected = "\
error: `listen.address` must be an IP address and a port, not \":8080\"
 --> gateway.toml:2:13
  |
2 |   address = \":8080\"
  |             ^^^^^^^
  |
  = help: for every interface: \"0.0.0.0:8080\"";
    assert_eq!(mistakes(&text), expected);
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_the_text() {
    let text = r#"mode = "enforced"
[listen]
address = "localhost:80"
trusted_proxies = ["10.0.0.1/8", "nobody"]
workers = 2000
tls = { cert = "a" }
[limits]
requests = 0
body_bytes = "64MB"
idle_timout = "1s"
header_timeout = "0s"
[cache]
entries = "many"
[upstream.default]
servers = ["ftp://a.example", "http://a/b", "builtin:eco"]
retries = 6
[issuer.main]
secret = { env = "MISSING" }
leeway = "1h"
[[route]]
match = ["GET /a", "get /b", "GET /a/../b"]
permisions = ["X"]
[roles]
admin = 7
"#;
    assert_mistakes(
        text,
        &[
            ("`mode` must be \"enforce\" or \"report\", not \"enforced\"", "gateway.toml:1:8"),
            ("`listen.address` must be an IP address and a port, not \"localhost:80\"", "gateway.toml:3:11"),
            ("`listen.trusted_proxies` names a host with a network's mask: \"10.0.0.1/8\"", "gateway.toml:4:20"),
            ("`listen.trusted_proxies` must be addresses or networks, not \"nobody\"", "gateway.toml:4:34"),
            ("`listen.workers` must be between 0 and 1024, not 2000", "gateway.toml:5:11"),
            ("`listen.tls.key` is missing", "gateway.toml:6:1"),
            ("`limits.requests` must be between 1 and 10000000, not 0", "gateway.toml:8:12"),
            ("`limits.body_bytes` must be a size, not \"64MB\"", "gateway.toml:9:14"),
            ("unknown key `idle_timout` in `limits`", "gateway.toml:10:1"),
            ("`limits.header_timeout` must be more than 0", "gateway.toml:11:18"),
            ("`cache.entries` must be a whole number, not a string", "gateway.toml:13:11"),
            ("`upstream.default.servers` must be an `http://` URL, not \"ftp://a.example\"", "gateway.toml:15:12"),
            (
                "`upstream.default.servers` must not have a path: a request's own path is sent on as it is",
                "gateway.toml:15:31",
            ),
            ("`upstream.default.servers` has no \"builtin:eco\"", "gateway.toml:15:45"),
            ("`upstream.default.retries` must be between 0 and 5, not 6", "gateway.toml:16:11"),
            ("the environment variable `MISSING` is not set", "gateway.toml:18:18"),
            ("`issuer.main.leeway` must be at most \"10m\"", "gateway.toml:19:10"),
            (
                "`route.match` is not valid: \"get\" is not a method: write them in capitals, joined by |, or * for all",
                "gateway.toml:21:20",
            ),
            ("`route.match` is not valid: the path has a dot segment", "gateway.toml:21:30"),
            ("unknown key `permisions` in `route`", "gateway.toml:22:1"),
            ("`roles.admin` must be a string, not an integer", "gateway.toml:24:9"),
        ],
    );
}

#[test]
fn what_is_empty_or_lacks_something_is_refused() {
    let text = r#"mode = "report"

[cors]
origins = []
[accounts]
backend = "embedded"
[upstream.default]
servers = ["builtin:echo"]
[issuer.a]
issuer = "a"
jwks_url = "https://a.example/jwks"
[ownership.plant]
variable = "id"
table = { learn = {} }
"#;
    assert_mistakes(
        text,
        &[
            ("`cors.origins` is an empty list", "gateway.toml:4:11"),
            ("`accounts` has no endpoint", "gateway.toml:5:2"),
            ("`accounts` needs an issuer that signs", "gateway.toml:5:2"),
        ],
    );
}

#[test]
fn every_error_of_syntax_is_reported_beside_the_mistakes_elsewhere() {
    let text = "[listen]\nadress = \"127.0.0.1:1\"\nworkers = \n[limits\nrequests = 1\n[cache]\nentries = 0\n";
    assert_mistakes(
        text,
        &[
            ("unknown key `adress` in `listen`", "gateway.toml:2:1"),
            ("string values must be quoted, expected literal string", "gateway.toml:3:11"),
            ("unclosed table, expected `]`", "gateway.toml:4:8"),
            ("`cache.entries` must be between 1 and 10000000, not 0", "gateway.toml:7:11"),
        ],
    );
}

#[test]
fn a_key_that_is_there_twice_is_a_mistake() {
    assert_mistakes(
        &format!("{OPEN}\n[listen]\nworkers = 1\nworkers = 2\n"),
        &[("duplicate key", "gateway.toml:10:1")],
    );
}

#[test]
fn a_column_counts_characters_and_control_characters_are_not_printed() {
    let text = format!("{OPEN}\"é\\u001b[31m\" = 1\n");
    let rendered = mistakes(&text);
    assert!(rendered.contains(r"unknown key `é\u{1b}[31m` in `route`"), "{rendered}");
    assert!(!rendered.contains('\u{1b}'), "{rendered}");
    let rendered = mistakes(&format!("listen = {{ \"éé\" = 1, x = 2 }}\n{OPEN}"));
    assert!(rendered.contains("gateway.toml:1:22"), "{rendered}");
}

#[test]
fn colours_are_used_only_when_asked_for() {
    let found = crate::config::parse("x = 1", "gateway.toml", Path::new(""), &environment).unwrap_err();
    assert!(found.render(true).contains("\u{1b}["));
    assert!(!found.render(false).contains('\u{1b}'));
    assert_eq!(found.to_string(), found.render(false));
}

#[test]
fn a_file_that_cannot_be_read_is_a_mistake_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    let refused = |path: &Path| load(path, &environment).unwrap_err().render(false);
    let rendered = refused(&path);
    assert!(rendered.starts_with("error: the configuration cannot be read: No such file"), "{rendered}");
    assert!(rendered.contains(&format!("--> {}", path.display())), "{rendered}");
    assert!(refused(folder.path()).contains("cannot be read"));
    std::fs::write(&path, b"a = \"\xff\"").unwrap();
    assert!(refused(&path).contains("it is not UTF-8"));
    std::fs::write(&path, vec![b'\n'; (4 << 20) + 1]).unwrap();
    assert!(refused(&path).contains("it is larger than 4 MiB"));
    std::fs::write(&path, OPEN).unwrap();
    assert!(load(&path, &environment).is_ok());
}

#[test]
fn what_is_no_table_is_said_to_be_none() {
    assert_mistakes(
        "listen = 1\nroute = \"GET /\"\ndialect = []\nupstream = { default = \"http://a\" }\nissuer = true\n",
        &[
            ("`listen` must be a table, not an integer", "gateway.toml:1:10"),
            ("`route` must be a list of tables, not a string", "gateway.toml:2:1"),
            ("`dialect` must be a table, not a list", "gateway.toml:3:11"),
            ("`upstream.default` must be a table, not a string", "gateway.toml:4:24"),
            ("`issuer` must be a table, not a boolean", "gateway.toml:5:10"),
        ],
    );
}

#[test]
fn a_mistake_in_the_dialect_points_at_its_key() {
    let text = format!(
        "[dialect]\nnot_authentcated = {{ status = 401 }}\nno_route = {{ status = 200 }}\nscheme = \"any\"\n{OPEN}"
    );
    let rendered = mistakes(&text);
    assert!(rendered.contains("unknown key `not_authentcated` in `dialect`\n --> gateway.toml:2:1"), "{rendered}");
    assert!(rendered.contains("did you mean `not_authenticated`?"), "{rendered}");
    assert!(rendered.contains("`dialect.no_route.status`"), "{rendered}");
    assert!(rendered.contains("--> gateway.toml:3:23"), "{rendered}");
    assert!(rendered.contains("--> gateway.toml:4:10"), "{rendered}");
    assert!(read(OPEN).is_ok());
}
