//! A PostgreSQL server that cannot be reached any more, and is back: the way to it is cut.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::json;

use super::{HOMSAI, HUNGRY_MACHINES, PASSWORD, UNLIMITED, UPTIMEHUNT, Words, person, post};
use crate::accounts::harness::Kept;

const OPEN: u8 = 0;
/// Whoever comes is sent away.
const CLOSED: u8 = 1;
/// Whoever comes hears nothing.
const SILENT: u8 = 2;

/// Between the gateway and its database.
struct Way {
    address: SocketAddr,
    state: Arc<AtomicU8>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Way {
    fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (state, streams) = (Arc::new(AtomicU8::new(OPEN)), Arc::<Mutex<Vec<TcpStream>>>::default());
        let (current, kept) = (Arc::clone(&state), Arc::clone(&streams));
        thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                match current.load(Ordering::SeqCst) {
                    OPEN => {
                        let far = TcpStream::connect(server).unwrap();
                        let clones = |stream: &TcpStream| [(); 2].map(|()| stream.try_clone().unwrap());
                        let ([near_in, near_kept], [far_in, far_kept]) = (clones(&near), clones(&far));
                        kept.lock().unwrap().extend([near_kept, far_kept]);
                        thread::spawn(move || copy(near_in, far));
                        thread::spawn(move || copy(far_in, near));
                    }
                    SILENT => kept.lock().unwrap().push(near),
                    _ => drop(near),
                }
            }
        });
        Self { address, state, streams }
    }

    fn turn(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
        for stream in self.streams.lock().unwrap().drain(..) {
            // It may be over already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

#[expect(clippy::disallowed_methods, reason = "it is about real time")]
fn cut_off(words: &Words) {
    let direct = Kept::in_postgres();
    person(&direct, "ada@example.com");
    let (scheme, rest) = direct.url.split_once("://").unwrap();
    let (user, place) = rest.rsplit_once('@').map_or(("", rest), |(user, place)| (user, place));
    let (host, database) = place.split_once('/').unwrap();
    let host = if host.contains(':') { host.to_owned() } else { format!("{host}:5432") };
    let way = Way::to(host.to_socket_addrs().unwrap().next().unwrap());
    let mut kept = Kept::in_sqlite();
    let at = if user.is_empty() { "" } else { "@" };
    kept.url = format!("{scheme}://{user}{at}{}/{database}", way.address);
    let api = words.start(&kept, UNLIMITED);
    let tokens = words.login(&api, "ada@example.com", PASSWORD);
    for state in [CLOSED, SILENT] {
        way.turn(state);
        let login = post(words.login, &json!({ "email": "ada@example.com", "password": PASSWORD }));
        let requests = [(words.login, login), (words.refresh.0, words.refreshing(&tokens.refresh))];
        let began = std::time::Instant::now();
        let mut clients = requests.each_ref().map(|_| api.client());
        for (client, (_, request)) in clients.iter_mut().zip(&requests) {
            client.send(request);
        }
        assert_eq!(words.reach(&api, &tokens.access), 200);
        for (client, (path, _)) in clients.iter_mut().zip(&requests) {
            assert_eq!(words.said(&client.response(), path), (503, words.unavailable.to_owned()));
        }
        assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
        assert_eq!(words.reach(&api, &tokens.access), 200);
        way.turn(OPEN);
        let back = (0..100).any(|_| {
            thread::sleep(Duration::from_millis(100));
            words.try_login(&api, "ada@example.com", PASSWORD).status == 200
        });
        assert!(back, "it does not come back");
    }
    words.tokens_in(&words.try_refresh(&api, &tokens.refresh));
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_server_out_of_reach_is_told_and_forgotten_by_hungry_machines() {
    cut_off(&HUNGRY_MACHINES);
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_server_out_of_reach_is_told_and_forgotten_by_homsai() {
    cut_off(&HOMSAI);
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_server_out_of_reach_is_told_and_forgotten_by_uptimehunt() {
    cut_off(&UPTIMEHUNT);
}
