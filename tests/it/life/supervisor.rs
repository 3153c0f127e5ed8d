//! What a supervisor gives and is told, and how long a gateway serves that is to end.

use std::{
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use tokio::time::Instant;

use super::{configuration, start, status, succeeded, wait_for};
use crate::{
    cli::support::{Folder, Gateway, shell},
    support::{Client, Upstream},
};

/// What a supervisor hears next.
fn heard(supervisor: &UnixDatagram) -> String {
    let mut buffer = [0; 4096];
    let length = supervisor.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

#[test]
fn a_supervisor_is_told_of_the_start_of_reloads_and_of_the_end() {
    let upstream = Upstream::ok();
    let folder = Folder::with(&configuration(&upstream, "x", ""));
    let path = folder.path().join("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    supervisor.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut command = folder.command(&[]);
    command.env("NOTIFY_SOCKET", &path);
    let gateway = Gateway::spawn(command);
    assert_eq!(heard(&supervisor), format!("READY=1\nSTATUS=serving on {}\n", gateway.address()));
    shell(&format!("kill -HUP {}", gateway.id()));
    let reloading = heard(&supervisor);
    let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim_end();
    assert!(since.parse::<u64>().unwrap() > 0);
    assert_eq!(heard(&supervisor), "READY=1\nSTATUS=serving\n");
    folder.write("gateway.toml", "nonsense");
    assert!(heard(&supervisor).starts_with("RELOADING=1\n"), "it is noticed");
    assert_eq!(heard(&supervisor), "READY=1\nSTATUS=serving; the last reload failed, the log says why\n");
    shell(&format!("kill -TERM {}", gateway.id()));
    assert_eq!(heard(&supervisor), "STOPPING=1\nSTATUS=draining\n");
    assert_eq!(gateway.wait().code, 0);
}

#[test]
fn a_signal_while_it_starts_does_not_end_it_and_is_done_when_it_serves() {
    let folder = Folder::with("");
    let number = folder.path().join("number");
    let is_told = AtomicBool::new(false);
    let keys = Upstream::start(move |mut line| {
        line.request();
        if is_told.swap(true, Ordering::SeqCst) {
            return;
        }
        shell(&format!("kill -USR1 $(cat '{0}') && kill -HUP $(cat '{0}')", number.display()));
        // Long enough to be ended by them.
        thread::sleep(Duration::from_millis(300));
    });
    let upstream = Upstream::ok();
    let issuer = format!(
        "[issuer.other]\nissuer = \"other\"\nalgorithms = [\"ES256\"]\njwks_url = \"http://{}/keys\"\n",
        keys.address
    );
    folder.write(
        "gateway.toml",
        configuration(&upstream, "x", "").replace("preset = \"hungry-machines\"\n", "") + &issuer,
    );
    let begun = folder.command(&[]);
    let mut command = Command::new("sh");
    command.args(["-c", "echo $$ > number && exec \"$0\" \"$@\""]).arg(begun.get_program()).args(begun.get_args());
    for (name, value) in begun.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(folder.path());
    let gateway = Gateway::spawn(command);
    wait_for("the reload", || succeeded(&gateway) == 1.0);
    assert_eq!(status(&gateway, "/x/1"), 200);
}

#[test]
fn a_watchdog_hears_twice_as_often_as_it_wants_to() {
    let upstream = Upstream::ok();
    let folder = Folder::with(&configuration(&upstream, "x", ""));
    let path = folder.path().join("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    supervisor.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut command = folder.command(&[]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "600000");
    let gateway = Gateway::spawn(command);
    assert!(heard(&supervisor).starts_with("READY=1\n"));
    let begun = Instant::now();
    for _ in 0..4 {
        assert_eq!(heard(&supervisor), "WATCHDOG=1\n");
    }
    assert!(begun.elapsed() > Duration::from_millis(900), "no more often than that: {:?}", begun.elapsed());
    assert_eq!(gateway.terminate().code, 0);
}

#[test]
fn a_socket_that_the_supervisor_opened_is_shared_by_all_workers() {
    let upstream = Upstream::ok();
    for admin in [false, true] {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let folder = Folder::with(&configuration(&upstream, "x", "").replace("workers = 1", "workers = 3"));
        let mut command = folder.command(&[]);
        // The first descriptor is 3 with systemd; here it is the one that can be given without more ado.
        command.env("LISTEN_FDS", "1").env("LISTEN_FDS_FIRST_FD", "0").stdin(Stdio::from(OwnedFd::from(socket)));
        if admin {
            command.env("LISTEN_FDNAMES", "admin");
        }
        // It waits for a process that is not there yet.
        let mut early = Client::connect(address);
        early.send(if admin {
            "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
        } else {
            "GET /x/1 HTTP/1.1\r\nHost: a\r\n\r\n"
        });
        let gateway = Gateway::spawn(command);
        assert_eq!(early.response().status, 200);
        if admin {
            assert_eq!(gateway.admin_address(), address);
            continue;
        }
        assert_eq!(gateway.address(), address);
        let clients: Vec<_> = (0..30).map(|_| Client::connect(address)).collect();
        for mut client in clients {
            assert_eq!(client.get("/x/1").status, 200);
        }
        let metrics = Client::connect(gateway.admin_address()).get("/metrics").text();
        for worker in 0..3 {
            let none = format!("bearergate_worker_requests_total{{worker=\"{worker}\"}} 0\n");
            assert!(!metrics.contains(&none), "each has some: {metrics}");
        }
        assert_eq!(gateway.terminate().code, 0);
    }
}

#[test]
fn what_is_no_socket_that_listens_is_an_error_of_the_start() {
    let folder = Folder::with("preset = \"hungry-machines\"\n");
    let mut command = folder.command(&[]);
    let ended = command.env("LISTEN_FDS", "1").env("LISTEN_FDS_FIRST_FD", "0").output().unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{told}");
    assert!(told.contains("cannot start: "), "{told}");
}

#[test]
fn it_serves_on_for_a_while_after_it_has_said_that_it_is_not_ready() {
    let upstream = Upstream::ok();
    let text = configuration(&upstream, "x", "").replace("workers = 1", "workers = 1\ndrain_delay = \"1500ms\"");
    let gateway = start(&Folder::with(&text));
    let mut open = Client::connect(gateway.address());
    assert_eq!(open.get("/x/1").status, 200);
    let asked = Instant::now();
    shell(&format!("kill -TERM {}", gateway.id()));
    wait_for("not ready", || Client::connect(gateway.admin_address()).get("/readyz").status == 503);
    while asked.elapsed() < Duration::from_secs(1) {
        assert_eq!(status(&gateway, "/x/1"), 200);
        let response = open.get("/x/1");
        assert_eq!((response.status, response.header("connection")), (200, None));
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(gateway.wait().code, 0);
    assert!(asked.elapsed() > Duration::from_millis(1400));
}

#[test]
fn a_second_signal_does_not_wait_for_the_delay_nor_a_drain_longer_than_its_deadline() {
    let upstream = Upstream::start(|mut line| {
        line.request();
        line.fill();
    });
    for (keys, signals) in [("drain_delay = \"1h\"", 2), ("drain_deadline = \"300ms\"", 1)] {
        let text = configuration(&upstream, "x", "").replace("workers = 1", &format!("workers = 1\n{keys}"));
        let gateway = start(&Folder::with(&text));
        let mut client = Client::connect(gateway.address());
        client.send("GET /x/1 HTTP/1.1\r\nHost: a\r\n\r\n");
        upstream.received();
        let asked = Instant::now();
        shell(&format!("kill -TERM {}", gateway.id()));
        if signals == 2 {
            wait_for("not ready", || Client::connect(gateway.admin_address()).get("/readyz").status == 503);
            shell(&format!("kill -TERM {}", gateway.id()));
        }
        assert!(client.is_closed());
        assert_eq!(gateway.wait().code, 0);
        assert!(asked.elapsed() < Duration::from_secs(5), "{keys}");
    }
}
