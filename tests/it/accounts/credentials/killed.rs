//! The program itself, killed, and with no room on the disk.

use std::{
    process::Command,
    sync::{Arc, Barrier, Mutex},
    thread,
    time::Duration,
};

use bearergate::{accounts::store::SessionStore, clock::Clock};
use serde_json::json;

use super::{HOMSAI, HUNGRY_MACHINES, PASSWORD, UNLIMITED, UPTIMEHUNT, Words, post, program::Program, runtime};

/// What a client was given, the newest last.
type Given = Arc<Mutex<Vec<String>>>;

/// Refreshes until there is no answer any more.
fn refresh_until_killed(words: &Words, address: std::net::SocketAddr, given: &Given, begun: &Barrier) {
    begun.wait();
    loop {
        let token = given.lock().unwrap().last().unwrap().clone();
        let Some(answer) = super::program::ask(address, &words.refreshing(&token)) else { return };
        assert_eq!(answer.status, 200, "{}", answer.body);
        given.lock().unwrap().push(answer.text(words.tokens.1));
    }
}

#[test]
fn a_program_that_is_killed_among_refreshes_loses_and_doubles_no_session() {
    let words = &HUNGRY_MACHINES;
    let mut program = Program::start(words, UNLIMITED, |command| command);
    let people: Vec<_> = (0..6).map(|at| program.person(&format!("user{at}@example.com"))).collect();
    let given: Vec<Given> = (0..6)
        .map(|at| {
            let body = json!({ "email": format!("user{at}@example.com"), "password": PASSWORD });
            let answer = program.ask(&post(words.login, &body));
            Given::new(Mutex::new(vec![answer.text(words.tokens.1)]))
        })
        .collect();
    let now = Clock::system().now();
    let sessions = |program: &Program| -> Vec<_> {
        let (store, runtime) = (program.store(), runtime());
        let sessions = people.iter().map(|user| runtime.block_on(store.sessions(user.id, now)).unwrap());
        sessions.map(|sessions| sessions.into_iter().map(|session| session.id).collect::<Vec<_>>()).collect()
    };
    let before = sessions(&program);
    assert!(before.iter().all(|sessions| sessions.len() == 1), "{before:?}");
    for round in [10, 23, 57] {
        let begun = Barrier::new(given.len() + 1);
        thread::scope(|scope| {
            for given in &given {
                let (address, begun) = (program.address, &begun);
                scope.spawn(move || refresh_until_killed(words, address, given, begun));
            }
            begun.wait();
            let refreshes = || given.iter().map(|given| given.lock().unwrap().len()).sum::<usize>();
            let before = refreshes();
            // On a machine that is busy a time says nothing.
            while refreshes() < before + round {
                thread::sleep(Duration::from_millis(1));
            }
            program.kill_and_restart();
        });
        for given in &given {
            let mut given = given.lock().unwrap();
            // The last token it was given. Its child may have been made already: then it is given again.
            let last = given.last().unwrap().clone();
            let answer = program.ask(&words.refreshing(&last));
            assert_eq!(answer.status, 200, "{}", answer.body);
            let next = answer.text(words.tokens.1);
            let again = program.ask(&words.refreshing(&last));
            assert_eq!((again.status, again.text(words.tokens.1)), (200, next.clone()), "the same child");
            given.push(next);
        }
        assert_eq!(sessions(&program), before);
    }
}

/// `prlimit` sets what a process may write; whoever starts this as it is started here is not killed by it.
fn limit(program: &Program, bytes: &str) {
    let (process, size) = (format!("--pid={}", program.id()), format!("--fsize={bytes}:unlimited"));
    assert!(Command::new("prlimit").args([process, size]).status().unwrap().success());
}

fn full(words: &Words) {
    let program = Program::start(words, UNLIMITED, |command| {
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(command.get_program());
        shell.current_dir(command.get_current_dir().unwrap());
        shell
    });
    program.person("ada@example.com");
    let login = post(words.login, &json!({ "email": "ada@example.com", "password": PASSWORD }));
    let first = program.ask(&login);
    let (access, refresh) = (first.text(words.tokens.0), first.text(words.tokens.1));
    let reach =
        || program.ask(&format!("GET /anything HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {access}\r\n\r\n"));
    assert_eq!(reach().status, 200);
    limit(&program, "4096");
    for request in [&login, &words.refreshing(&refresh)] {
        let answer = program.ask(request);
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(answer.body.contains(words.unavailable), "{}", answer.body);
        assert_eq!(reach().status, 200);
    }
    limit(&program, "unlimited");
    let refreshed = program.ask(&words.refreshing(&refresh));
    assert_eq!(refreshed.status, 200, "{}", refreshed.body);
    assert_eq!(program.ask(&login).status, 200);
}

#[test]
fn a_full_disk_is_told_and_forgotten_by_hungry_machines() {
    full(&HUNGRY_MACHINES);
}

#[test]
fn a_full_disk_is_told_and_forgotten_by_homsai() {
    full(&HOMSAI);
}

#[test]
fn a_full_disk_is_told_and_forgotten_by_uptimehunt() {
    full(&UPTIMEHUNT);
}
