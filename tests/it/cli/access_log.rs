//! The access log of the program: the standard output, and signals.

use std::{fs, thread, time::Duration};

use serde_json::Value;

use super::support::{Folder, Gateway, shell};
use crate::support::Client;

fn folder(access_log: &str) -> Folder {
    Folder::with(&format!(
        "preset = \"hungry-machines\"\n{access_log}[listen]\naddress = \"127.0.0.1:0\"\nworkers = 2\n\
         [admin]\naddress = \"127.0.0.1:0\"\n[upstream.default]\nservers = [\"builtin:echo\"]\n\
         [[route]]\nmatch = \"* /open/**\"\naccess = \"public\"\n"
    ))
}

fn parsed(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn nothing_is_lost_at_the_end_be_it_a_file_or_the_standard_output() {
    for path in ["access.log", "stdout"] {
        let folder = folder(&format!("[access_log]\npath = \"{path}\"\n"));
        let gateway = Gateway::start(&folder, &[]);
        let mut clients = [Client::connect(gateway.address()), Client::connect(gateway.address())];
        // No more than a pipe holds that nobody reads meanwhile.
        for number in 0..200 {
            assert_eq!(clients[number % 2].ask("GET", &format!("/open/{number}"), None).status, 200);
        }
        let banner = gateway.banner.clone();
        let ended = gateway.terminate();
        assert_eq!(ended.code, 0, "{ended:?}");
        let lines = match path {
            "stdout" => parsed(ended.stdout.strip_prefix(&banner).unwrap()),
            file => parsed(&fs::read_to_string(folder.path().join(file)).unwrap()),
        };
        let mut paths: Vec<_> = lines.iter().map(|line| line["path"].as_str().unwrap()).collect();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!((lines.len(), paths.len()), (200, 200));
    }
}

#[test]
fn sigusr1_opens_the_file_anew_and_ends_nothing() {
    let folder = folder("[access_log]\npath = \"access.log\"\n");
    let gateway = Gateway::start(&folder, &[]);
    let mut client = Client::connect(gateway.address());
    assert_eq!(client.ask("GET", "/open/one", None).status, 200);
    let (path, old) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    while fs::read_to_string(&path).unwrap().is_empty() {
        thread::sleep(Duration::from_millis(10));
    }
    fs::rename(&path, &old).unwrap();
    shell(&format!("kill -USR1 {}", gateway.id()));
    while !path.exists() {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(client.ask("GET", "/open/two", None).status, 200);
    assert_eq!(gateway.terminate().code, 0);
    for (file, expected) in [(old, "/open/one"), (path, "/open/two")] {
        let lines = parsed(&fs::read_to_string(file).unwrap());
        assert_eq!(lines.iter().map(|line| &line["path"]).collect::<Vec<_>>(), [expected]);
    }
}

#[test]
fn sigusr1_without_an_access_log_ends_nothing_either() {
    let gateway = Gateway::start(&folder(""), &[]);
    shell(&format!("kill -USR1 {}", gateway.id()));
    assert_eq!(Client::connect(gateway.address()).ask("GET", "/open/x", None).status, 200);
    assert_eq!(gateway.terminate().code, 0);
}

#[test]
fn a_full_disk_is_said_once() {
    let folder = folder("[access_log]\npath = \"/dev/full\"\n");
    let gateway = Gateway::start(&folder, &[]);
    for number in 0..3 {
        assert_eq!(Client::connect(gateway.address()).ask("GET", &format!("/open/{number}"), None).status, 200);
        // Each is written, or tried, before the next one comes.
        thread::sleep(Duration::from_millis(300));
    }
    let ended = gateway.terminate();
    assert_eq!(ended.code, 0, "{ended:?}");
    let said = |what: &str| ended.stderr.lines().filter(|line| line.contains(what)).count();
    assert_eq!(said("the access log cannot be written"), 1, "{}", ended.stderr);
    assert_eq!(said("the access log has no line for some requests"), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("\"requests\":3"), "{}", ended.stderr);
}
