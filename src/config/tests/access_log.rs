use std::path::PathBuf;

use super::{OPEN, assert_mistakes, config};
use crate::config::{AccessLog, AccessLogFormat, AccessLogTarget};

fn access_log(text: &str) -> Option<AccessLog> {
    config(&format!("{text}{OPEN}")).access_log
}

fn file(path: &str) -> AccessLogTarget {
    AccessLogTarget::File(PathBuf::from(path))
}

#[test]
fn there_is_none_unless_it_is_asked_for() {
    assert_eq!(access_log(""), None);
}

#[test]
fn a_file_is_relative_to_the_configuration_and_json_the_default() {
    let json = AccessLog { target: file("/etc/bearergate/access.log"), format: AccessLogFormat::Json, queue: 8192 };
    assert_eq!(access_log("[access_log]\npath = \"access.log\"\n"), Some(json.clone()));
    assert_eq!(access_log("[access_log]\npath = \"access.log\"\nformat = \"json\"\n"), Some(json));
    let combined = access_log("[access_log]\npath = \"/var/log/a\"\nformat = \"combined\"\n").unwrap();
    assert_eq!((combined.target, combined.format), (file("/var/log/a"), AccessLogFormat::Combined));
    assert_eq!(access_log("[access_log]\npath = \"stdout\"\n").unwrap().target, AccessLogTarget::Stdout);
    assert_eq!(access_log("[access_log]\npath = \"./stdout\"\n").unwrap().target, file("/etc/bearergate/./stdout"));
}

#[test]
fn mistakes_are_told_with_their_places() {
    let text = format!("[access_log]\nfile = \"a\"\nformat = \"jsn\"\n{OPEN}");
    assert_mistakes(
        &text,
        &[
            ("`access_log.path` is missing", "gateway.toml:1:2"),
            ("unknown key `file` in `access_log`", "gateway.toml:2:1"),
            ("`access_log.format` must be \"json\" or \"combined\", not \"jsn\"", "gateway.toml:3:10"),
        ],
    );
    let text = format!("[access_log]\npath = \"\"\n{OPEN}");
    assert_mistakes(&text, &[("`access_log.path` is empty", "gateway.toml:2:8")]);
    assert_mistakes(
        &format!("access_log = true\n{OPEN}"),
        &[("`access_log` must be a table, not a boolean", "gateway.toml:1:14")],
    );
}
