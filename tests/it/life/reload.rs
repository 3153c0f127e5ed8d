//! A configuration that is replaced while the gateway runs: all of it or nothing, and nobody notices.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::channel,
    },
    thread,
    time::Duration,
};

use serde_json::json;

use super::{configuration, failed, metric, post, replace, start, status, succeeded, wait_for};
use crate::{
    cli::support::{Folder, Gateway, shell},
    support::{Client, Upstream, forge::Signer},
};

/// Asks the admin listener for a reload: the status, and what it says.
fn ask(gateway: &Gateway) -> (u16, String) {
    let (status, body) = post(gateway, "/reload", &json!({}));
    (status, body["detail"].as_str().unwrap().to_owned())
}

#[test]
fn a_signal_has_the_configuration_read_again() {
    let upstream = Upstream::ok();
    let folder = Folder::with(&configuration(&upstream, "old", ""));
    let gateway = start(&folder);
    assert_eq!((status(&gateway, "/old/x"), status(&gateway, "/new/x")), (200, 401));
    let begun = metric(&gateway, "config_last_reload_success_timestamp_seconds");
    assert!(begun > 1_700_000_000.0);
    shell(&format!("kill -HUP {}", gateway.id()));
    wait_for("one reload", || succeeded(&gateway) == 1.0);
    replace(&folder, "gateway.toml", &configuration(&upstream, "new", ""));
    shell(&format!("kill -HUP {}", gateway.id()));
    wait_for("the new route", || status(&gateway, "/new/x") == 200);
    assert_eq!(status(&gateway, "/old/x"), 401);
    assert!(metric(&gateway, "config_last_reload_success_timestamp_seconds") > begun);
    assert_eq!(failed(&gateway), 0.0);
    let ended = gateway.terminate();
    assert_eq!(ended.code, 0);
    assert!(ended.stderr.contains("the configuration is taken over"), "{}", ended.stderr);
}

#[test]
fn a_file_that_is_written_is_noticed_and_one_with_mistakes_changes_nothing() {
    let upstream = Upstream::ok();
    let folder = Folder::with(&configuration(&upstream, "old", ""));
    let gateway = start(&folder);
    let broken = configuration(&upstream, "new", "").replace("workers", "wrokers") + "[cache]\nentries = \"many\"\n";
    replace(&folder, "gateway.toml", &broken);
    wait_for("a failure", || failed(&gateway) == 1.0);
    assert_eq!((status(&gateway, "/old/x"), status(&gateway, "/new/x")), (200, 401));
    assert_eq!(Client::connect(gateway.admin_address()).get("/readyz").status, 200);
    replace(&folder, "gateway.toml", &configuration(&upstream, "new", ""));
    wait_for("the new route", || status(&gateway, "/new/x") == 200);
    assert_eq!((succeeded(&gateway), failed(&gateway)), (1.0, 1.0));
    let log = gateway.terminate().stderr;
    assert!(log.contains("wrokers") && log.contains("cache.entries"), "every mistake is told: {log}");
}

#[test]
fn a_preset_is_watched_and_so_are_keys_that_the_configuration_names() {
    let upstream = Upstream::ok();
    let folder = Folder::with(&configuration(&upstream, "x", "").replace("\"hungry-machines\"", "\"./own.toml\""));
    let preset = |area: &str| {
        format!(
            "[issuer.api]\nalgorithms = [\"HS256\"]\nsecret = {{ file = \"secret\" }}\n\
             [[route]]\nmatch = \"GET /{area}\"\naccess = \"public\"\n[[route]]\nmatch = \"* /mine\"\n"
        )
    };
    folder.write("own.toml", preset("a"));
    folder.write("secret", "the first secret has thirty-two bytes");
    fs::set_permissions(folder.path().join("secret"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let gateway = start(&folder);
    let with = |token: &str| {
        let mut client = Client::connect(gateway.address());
        client.send(format!("GET /mine HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n")).response().status
    };
    let first = folder.mint(&[]);
    assert_eq!((with(&first), status(&gateway, "/a"), status(&gateway, "/b")), (200, 200, 401));
    replace(&folder, "own.toml", &preset("b"));
    wait_for("the preset", || status(&gateway, "/b") == 200);
    assert_eq!((with(&first), status(&gateway, "/a")), (200, 401));
    replace(&folder, "secret", "another secret that has enough bytes too");
    wait_for("the secret", || with(&first) == 401);
    assert_eq!(with(&folder.mint(&[])), 200);
    assert_eq!((succeeded(&gateway), failed(&gateway)), (2.0, 0.0));
}

#[test]
fn who_asks_is_told_what_came_of_it() {
    let upstream = Upstream::ok();
    let folder = Folder::with(&configuration(&upstream, "old", ""));
    let gateway = start(&folder);
    assert_eq!(ask(&gateway), (200, "The configuration is taken over.".to_owned()));
    folder.write("gateway.toml", "preset = \"hungry-machine\"\n");
    let (status_of_mistake, told) = ask(&gateway);
    assert_eq!(status_of_mistake, 422);
    assert!(told.contains("did you mean `hungry-machines`?"), "{told}");
    let fixed = configuration(&upstream, "new", "store = \"sqlite:other.db\"").replace("workers = 1", "workers = 2");
    folder.write("gateway.toml", fixed);
    let (status_of_fixed, told) = ask(&gateway);
    assert_eq!(status_of_fixed, 422);
    assert!(told.contains("cannot be changed while the gateway runs: `listen.workers`, `store`"), "{told}");
    assert_eq!((status(&gateway, "/old/x"), status(&gateway, "/new/x")), (200, 401));
    let mut page = Client::connect(gateway.admin_address());
    page.send("POST /reload HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(page.response().status, 403);
}

#[test]
fn what_is_revoked_without_a_store_stays_revoked() {
    let upstream = Upstream::ok();
    let text = |area: &str| {
        configuration(&upstream, area, "").replace("preset = \"hungry-machines\"\n", "")
            + "[issuer.main]\nalgorithms = [\"HS256\"]\nsecret = { file = \"secret\" }\n[[route]]\nmatch = \"* /mine\"\n"
    };
    let folder = Folder::with(&text("old"));
    folder.write("secret", "the first secret has thirty-two bytes");
    let gateway = start(&folder);
    let [bad, good] = ["bad", "good"].map(|id| folder.mint(&["--claim", &format!("jti={id}")]));
    let with = |token: &str| {
        let mut client = Client::connect(gateway.address());
        client.send(format!("GET /mine HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n")).response().status
    };
    assert_eq!((with(&bad), with(&good)), (200, 200));
    let (revoked, told) = post(&gateway, "/revocations", &json!({ "issuer": "main", "jti": "bad" }));
    assert_eq!((revoked, &told["kept"]), (200, &json!(false)), "{told}");
    assert_eq!(with(&bad), 401);
    for area in ["new", "newer"] {
        replace(&folder, "gateway.toml", &text(area));
        assert_eq!(ask(&gateway).0, 200);
        assert_eq!(status(&gateway, &format!("/{area}/x")), 200);
        assert_eq!((with(&bad), with(&good)), (401, 200));
    }
    assert_eq!(metric(&gateway, "revocations"), 1.0);
}

/// The threads of the process, by name.
fn threads(id: u32) -> Vec<String> {
    let tasks = fs::read_dir(Path::new("/proc").join(id.to_string()).join("task")).unwrap();
    let mut names: Vec<String> =
        tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok()).collect();
    names.sort();
    names
}

#[test]
fn the_threads_of_what_was_replaced_end_although_nobody_asks_anything() {
    let upstream = Upstream::ok();
    let ownership = "[[route]]\nmatch = \"GET /owned/{thing}\"\nowner = \"thing\"\n[ownership.thing]\nvariable = \"thing\"\n\
                     call = { url = \"http://127.0.0.1:1/{thing}\", pointer = \"/owner\" }\n";
    let text = |area: &str| configuration(&upstream, area, "") + ownership;
    let folder = Folder::with(&text("a"));
    let gateway = start(&folder);
    assert_eq!(status(&gateway, "/a/x"), 200);
    let before = threads(gateway.id());
    assert!(before.contains(&"ownership\n".to_owned()), "{before:?}");
    for area in ["b", "c", "d"] {
        replace(&folder, "gateway.toml", &text(area));
        assert_eq!(ask(&gateway).0, 200);
    }
    let mut after = Vec::new();
    for _ in 0..100 {
        after = threads(gateway.id());
        if after == before {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(after, before, "only the threads of one snapshot");
    assert_eq!(status(&gateway, "/d/x"), 200);
    assert_eq!(upstream.connections(), 1, "the connections to it are the worker's still");
}

#[test]
fn no_request_fails_while_the_configuration_is_replaced_and_broken_again_and_again() {
    let upstream = Upstream::ok();
    let folder = Folder::with(&configuration(&upstream, "old", ""));
    let gateway = start(&folder);
    let address = gateway.address();
    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (over, answered) = (Arc::clone(&over), Arc::clone(&answered));
            thread::spawn(move || {
                let mut client = Client::connect(address);
                while !over.load(Ordering::Relaxed) {
                    let response = client.get("/old/x");
                    assert_eq!((response.status, response.text().as_str()), (200, "ok"));
                    assert_eq!(Client::connect(address).get("/users").status, 401);
                    answered.fetch_add(2, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let texts = [
        configuration(&upstream, "old", "mode = \"report\"").replace("mode = \"report\"", ""),
        configuration(&upstream, "old", "") + "[limits]\nrequests = 1000\nidle_timeout = \"50s\"\n",
        configuration(&upstream, "old", "") + "[upstream.default]\n",
        configuration(&upstream, "old", "") + "[[route]]\nmatch = \"GET /more/**\"\naccess = \"public\"\n",
        "nonsense".to_owned(),
    ];
    let mut outcomes = Vec::new();
    for text in texts.iter().cycle().take(15) {
        replace(&folder, "gateway.toml", text);
        outcomes.push(ask(&gateway).0);
        let before = answered.load(Ordering::Relaxed);
        wait_for("requests", || answered.load(Ordering::Relaxed) > before + 8);
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    assert_eq!(outcomes, [200, 200, 422, 200, 422].repeat(3));
    assert_eq!(gateway.terminate().code, 0);
}

#[test]
fn keys_that_are_known_are_known_still_although_nobody_gives_them_any_more() {
    let upstream = Upstream::ok();
    let signer = Signer::p256();
    let jwks = json!({ "keys": [signer.jwk("a", "ES256")] }).to_string();
    let is_up = Arc::new(AtomicBool::new(true));
    let provider = {
        let is_up = Arc::clone(&is_up);
        Upstream::start(move |mut line| {
            while line.request().is_some() && is_up.load(Ordering::SeqCst) {
                line.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{jwks}", jwks.len()));
            }
        })
    };
    let text = |area: &str, path: &str| {
        configuration(&upstream, area, "").replace("preset = \"hungry-machines\"\n", "")
            + &format!(
                "[issuer.main]\nalgorithms = [\"ES256\"]\njwks_url = \"http://{}/{path}\"\n[[route]]\nmatch = \"* /mine\"\n",
                provider.address
            )
    };
    let folder = Folder::with(&text("a", "keys"));
    let gateway = start(&folder);
    let token = signer.sign(r#"{"alg":"ES256","kid":"a"}"#, r#"{"sub":"alice","exp":4102444800}"#);
    let with_token = || {
        let mut client = Client::connect(gateway.address());
        client.send(format!("GET /mine HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n")).response().status
    };
    wait_for("the keys", || with_token() == 200);
    is_up.store(false, Ordering::SeqCst);
    folder.write("gateway.toml", text("b", "keys"));
    assert_eq!(ask(&gateway).0, 200);
    assert_eq!((status(&gateway, "/b/x"), with_token()), (200, 200));
    folder.write("gateway.toml", text("c", "elsewhere"));
    let (refused, told) = ask(&gateway);
    assert_eq!((refused, told.as_str()), (422, "the keys of these issuers cannot be had: main"));
    assert_eq!((status(&gateway, "/b/x"), with_token()), (200, 200));
    is_up.store(true, Ordering::SeqCst);
    assert_eq!(ask(&gateway).0, 200);
    assert_eq!((status(&gateway, "/c/x"), with_token()), (200, 200));
}

#[cfg(feature = "sqlite")]
#[test]
fn what_a_request_that_is_under_way_brings_is_learned() {
    let (arrived, is_there) = channel();
    let (go, wait) = channel::<()>();
    let (arrived, wait) = (std::sync::Mutex::new(arrived), std::sync::Mutex::new(wait));
    let upstream = Upstream::start(move |mut line| {
        while let Some((head, _)) = line.request() {
            if head.starts_with("POST ") {
                arrived.lock().unwrap().send(()).unwrap();
                wait.lock().unwrap().recv().unwrap();
                line.send("HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\n{\"id\":\"p\"}");
            } else {
                line.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            }
        }
    });
    let text = |area: &str| {
        configuration(&upstream, area, "store = \"sqlite:store.db\"").replace("preset = \"hungry-machines\"\n", "")
            + "[issuer.main]\nalgorithms = [\"HS256\"]\nsecret = { file = \"secret\" }\n[[route]]\nmatch = \"* /plants\"\n\
               [[route]]\nmatch = \"* /plants/{id}\"\nowner = \"plant\"\n[ownership.plant]\nvariable = \"id\"\n\
               cache = \"1h\"\ntable = { learn = { \"POST /plants\" = \"/id\" }, forget = [\"DELETE /plants/{id}\"] }\n"
    };
    let folder = Folder::with(&text("a"));
    folder.write("secret", "the first secret has thirty-two bytes");
    let gateway = start(&folder);
    let token = folder.mint(&["--subject", "alice"]);
    let request = |line: &str| format!("{line} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
    let mut maker = Client::connect(gateway.address());
    maker.send(request("POST /plants"));
    is_there.recv().unwrap();
    folder.write("gateway.toml", text("b"));
    assert_eq!(ask(&gateway).0, 200);
    let mut owner = Client::connect(gateway.address());
    assert_eq!(owner.send(request("GET /plants/p")).response().status, 403, "and that is remembered");
    go.send(()).unwrap();
    assert_eq!(maker.response().status, 201);
    assert_eq!(owner.send(request("GET /plants/p")).response().status, 200);
}
