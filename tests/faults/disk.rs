//! A disk with no room left: a file system of its own, in memory, which a test fills.

use std::{fs, io::Write, path::PathBuf, thread, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    house::{House, command, configuration, echo, eventually, exists, token},
    load::{Asked, load},
    program::{Folder, shell},
};

/// The folder `disk` of another folder.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: &Folder, size: &str) -> Self {
        let path = folder.path().join("disk");
        fs::create_dir(&path).unwrap();
        shell(&format!("mount -t tmpfs -o size={size} none '{}'", path.display()));
        Self(path)
    }

    /// Leaves no byte.
    fn fill(&self) {
        let mut file = fs::File::create(self.0.join("filler")).unwrap();
        for piece in [64 * 1024, 4096, 1] {
            while file.write_all(&vec![b'x'; piece]).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }

    fn grow(&self, size: &str) {
        shell(&format!("mount -o remount,size={size} '{}'", self.0.display()));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It may still be in use; then it goes with its last user.
        shell(&format!("umount -l '{}'", self.0.display()));
    }
}

const ACCOUNTS: &str = "preset = 'hungry-machines'\nstore = 'sqlite:disk/state.db'\n\
    [accounts]\nfrontend_url = 'https://app.example.com'\npublic_url = 'https://api.example.com'\n\
    confirm_email = false\nthrottle = { account = 'off', address = 'off' }\n\
    [listen]\naddress = '127.0.0.1:0'\nworkers = 2\n[admin]\naddress = '127.0.0.1:0'\n\
    [[route]]\nmatch = 'GET /api/**'\n";

/// What a store may take to fail, and some more on a machine that is busy.
const IN_TIME: Duration = Duration::from_secs(9);

#[test]
#[ignore = "needs to mount a file system"]
fn a_full_disk_below_the_store_is_told_in_time_while_tokens_are_verified_and_nothing_that_was_promised_is_lost() {
    let upstream = echo();
    let folder = Folder::with(&format!("{ACCOUNTS}[upstream.default]\nservers = ['http://{}']\n", upstream.address));
    let disk = Disk::mount(&folder, "8m");
    let mut house = House::start_in(folder, "");
    let ask = |house: &House, path: &str, body: Value| {
        let began = Instant::now();
        let answer = House::post(house.address, path, None, &body).unwrap();
        assert!(began.elapsed() < IN_TIME, "{path}: {:?}", began.elapsed());
        answer
    };
    let person = |name: &str| json!({ "email": format!("{name}@example.com"), "password": "correct horse battery" });
    assert_eq!(ask(&house, "/auth/signup", person("ada")).0 / 100, 2);
    let (_, tokens) = ask(&house, "/auth/login", person("ada"));
    let text = |answer: &Value, name: &str| answer[name].as_str().unwrap().to_owned();
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    let revoked = house.folder.mint(&["--subject", "bob", "--claim", "jti=full"]);
    assert_eq!(house.status("/api/x", &revoked), 200);

    disk.fill();
    let (tally, ()) = load(
        house.address,
        4,
        |client, number| Asked::new("request", format!("/api/{client}/{number}"), &access),
        || {
            assert_eq!(ask(&house, "/auth/login", person("ada")).0, 503);
            assert_eq!(ask(&house, "/auth/signup", person("eve")).0, 503);
            assert_eq!(ask(&house, "/auth/refresh", json!({ "refresh_token": refresh })).0, 503);
            let (status, answer) =
                House::post(house.admin, "/revocations", None, &json!({ "issuer": "api", "jti": "full" })).unwrap();
            assert_eq!((status, &answer["kept"]), (503, &json!(false)), "{answer}");
            assert_eq!(house.status("/api/x", &revoked), 401, "in force all the same");
        },
    );
    tally.assert_each("request", &["200"]);
    assert_eq!(house.metric("bearergate_revocations_not_kept"), 1);

    disk.free();
    let (status, tokens) = ask(&house, "/auth/refresh", json!({ "refresh_token": refresh }));
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(house.status("/api/x", &text(&tokens, "access_token")), 200);
    assert_eq!(ask(&house, "/auth/signup", person("eve")).0 / 100, 2, "nobody was half made");
    eventually(|| house.metric("bearergate_revocations_not_kept") == 0);
    house.kill();
    house.restart();
    assert_eq!(house.status("/api/x", &revoked), 401, "kept");
    assert_eq!(house.status("/api/x", &text(&tokens, "access_token")), 200);
    assert_eq!(ask(&house, "/auth/refresh", json!({ "refresh_token": tokens["refresh_token"] })).0, 200);
    house.terminate();
}

#[test]
#[ignore = "needs to mount a file system"]
fn a_full_disk_below_the_access_log_costs_lines_that_are_counted_and_no_request() {
    let upstream = echo();
    let folder = Folder::with(&configuration("", upstream.address, "[access_log]\npath = 'disk/access.log'"));
    let disk = Disk::mount(&folder, "64k");
    let mut house = House::start_in(folder, "");
    let token = token("alice");
    let dropped = "bearergate_access_log_dropped_total";
    let (tally, ()) = load(
        house.address,
        16,
        |client, number| Asked::new("request", format!("/api/{client}/{number}"), &token),
        || {
            eventually(|| house.metric(dropped) > 0);
            disk.grow("64m");
            // It is written on without being told.
            let lost = house.metric(dropped);
            eventually(|| fs::metadata(disk.0.join("access.log")).unwrap().len() > 128 * 1024);
            assert!(lost > 0);
        },
    );
    tally.assert_each("request", &["200"]);
    let (lost, sent) = (house.metric(dropped), tally.of("request", "200"));
    house.terminate();
    let log = fs::read_to_string(disk.0.join("access.log")).unwrap();
    let mut paths: Vec<String> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .map(|line| line["path"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(paths.len() as u64 + lost, sent, "each request has its line, or is counted");
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len() as u64 + lost, sent, "and none has two");
}

#[test]
#[ignore = "needs to mount a file system"]
fn with_a_state_folder_that_is_full_it_does_not_start_and_says_why_and_leaves_nothing_half_made() {
    for configuration in ["preset = 'hungry-machines'\n", "preset = 'uptimehunt'\n", ACCOUNTS] {
        let tables = if configuration == ACCOUNTS {
            "[upstream.default]\nservers = ['builtin:echo']\n"
        } else {
            "[listen]\naddress = '127.0.0.1:0'\n[admin]\naddress = '127.0.0.1:0'\n\
             [upstream.default]\nservers = ['builtin:echo']\n"
        };
        let folder = Folder::with(&format!("{configuration}{tables}"));
        let disk = Disk::mount(&folder, "4m");
        let before = "STATE_DIRECTORY=\"$PWD/disk/state\"; export STATE_DIRECTORY;";
        disk.fill();
        let output = command(&folder, before).output().unwrap();
        let log = fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(!output.status.success() && output.status.code().is_some(), "{output:?}: {log}");
        assert!(log.contains("No space left on device") || log.contains("full"), "{log}");
        assert!(!log.contains("panicked"), "{log}");
        disk.free();
        let mut house = House::start_in(folder, before);
        assert!(exists(&disk.0.join("state").display().to_string()));
        thread::sleep(Duration::from_millis(50));
        house.terminate();
    }
}
