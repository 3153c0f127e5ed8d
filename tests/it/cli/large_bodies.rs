//! Bodies far larger than the gateway's memory: it holds a little of them at a time, and the sender back while the reader is
//! slow. The ones of 1 GiB are for who asks for them (`--ignored`).

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use super::{process::folder, support::Gateway};
use crate::support::{Upstream, client::PATIENCE};

const MIB: usize = 1 << 20;
/// So much more memory than before, in KiB, and no more.
const FLAT: u64 = 8 * 1024;
/// What the buffers of two pairs of sockets and the gateway hold at most of a body that nobody reads.
const HELD: usize = 24 * MIB;

#[derive(Clone, Copy, Debug)]
enum Framing {
    Length,
    Chunks,
}

impl Framing {
    fn field(self, size: usize) -> String {
        match self {
            Self::Length => format!("Content-Length: {size}\r\n"),
            Self::Chunks => "Transfer-Encoding: chunked\r\n".to_owned(),
        }
    }

    /// Sends a body of so many MiB, and counts what was taken of it.
    fn send(self, stream: &mut TcpStream, size: usize, taken: &AtomicUsize) -> std::io::Result<()> {
        let piece = vec![b'x'; MIB];
        for _ in 0..size / MIB {
            if let Self::Chunks = self {
                write!(stream, "{MIB:x}\r\n")?;
            }
            for part in piece.chunks(64 * 1024) {
                stream.write_all(part)?;
                taken.fetch_add(part.len(), Ordering::Relaxed);
            }
            if let Self::Chunks = self {
                stream.write_all(b"\r\n")?;
            }
        }
        if let Self::Chunks = self {
            stream.write_all(b"0\r\n\r\n")?;
        }
        Ok(())
    }
}

/// Reads up to the empty line behind a head.
fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

/// Reads a body to its end: how many bytes of it were `x`. Of what stands between chunks none is.
fn read_body(stream: &mut TcpStream, framing: Framing, size: usize) -> usize {
    let (mut buffer, mut count, mut last) = (vec![0; 256 * 1024], 0, Vec::new());
    loop {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "it broke off after {count}");
        count += buffer[..read].iter().filter(|byte| **byte == b'x').count();
        last.extend_from_slice(&buffer[..read]);
        last.drain(..last.len().saturating_sub(7));
        match framing {
            Framing::Length if count == size => return count,
            Framing::Chunks if last.ends_with(b"\r\n0\r\n\r\n") => return count,
            _ => {}
        }
    }
}

/// Takes bodies and gives some, both as the path says.
fn upstream(framing: Framing, size: usize, sent: Arc<AtomicUsize>, pause: Duration) -> Upstream {
    Upstream::start(move |mut line| {
        line.stream.set_write_timeout(Some(PATIENCE * 5)).unwrap();
        while let Ok(1) = line.stream.peek(&mut [0]) {
            let head = read_head(&mut line.stream);
            if head.starts_with("GET ") {
                line.send(format!("HTTP/1.1 200 OK\r\n{}\r\n", framing.field(size)));
                let _ = framing.send(&mut line.stream, size, &sent);
            } else {
                thread::sleep(pause);
                let received = read_body(&mut line.stream, framing, size);
                line.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Received: {received}\r\n\r\n"));
            }
        }
    })
}

fn start(upstream: &Upstream) -> Gateway {
    Gateway::start(&folder(upstream, 1, "[limits]\nbody_bytes = \"2GiB\"\n"), &[])
}

fn connect(gateway: &Gateway) -> TcpStream {
    let stream = TcpStream::connect(gateway.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE * 5)).unwrap();
    stream
}

/// Up and down, and the memory that it takes.
fn transfer(size: usize) {
    for framing in [Framing::Length, Framing::Chunks] {
        let upstream = upstream(framing, size, Arc::default(), Duration::ZERO);
        let gateway = start(&upstream);
        let mut client = connect(&gateway);
        client.write_all(b"GET /open/none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        drop(client);
        let mut client = connect(&gateway);
        let before = gateway.status("VmRSS");
        write!(client, "PUT /open/x HTTP/1.1\r\nHost: a\r\n{}\r\n", framing.field(size)).unwrap();
        framing.send(&mut client, size, &AtomicUsize::new(0)).unwrap();
        let head = read_head(&mut client);
        assert!(head.contains(&format!("x-received: {size}\r\n")), "{framing:?}: {head}");
        let up = gateway.status("VmHWM").saturating_sub(before);
        write!(client, "GET /open/x HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        read_head(&mut client);
        assert_eq!(read_body(&mut client, framing, size), size, "{framing:?}");
        let down = gateway.status("VmHWM").saturating_sub(before);
        println!("{framing:?}, {} MiB: {up} KiB more after the upload, {down} after the download", size / MIB);
        assert!(up < FLAT && down < FLAT, "{framing:?}: {up} KiB and {down} KiB more");
        assert_eq!(gateway.terminate().code, 0);
    }
}

#[test]
fn sixty_four_mebibytes_take_no_memory_with_them_either_way() {
    transfer(64 * MIB);
}

#[test]
#[ignore = "a gibibyte four times"]
fn a_gibibyte_takes_no_memory_with_it_either_way() {
    transfer(1024 * MIB);
}

#[test]
fn a_slow_reader_holds_the_sender_back() {
    const SIZE: usize = 256 * MIB;
    for framing in [Framing::Length, Framing::Chunks] {
        let sent = Arc::new(AtomicUsize::new(0));
        let pause = Duration::from_secs(2);
        let upstream = upstream(framing, SIZE, Arc::clone(&sent), pause);
        let gateway = start(&upstream);
        let before = gateway.status("VmRSS");

        // The client reads nothing of an answer.
        let mut client = connect(&gateway);
        client.write_all(b"GET /open/x HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        read_head(&mut client);
        thread::sleep(pause);
        let held = sent.load(Ordering::Relaxed);
        assert!((1..HELD).contains(&held), "{framing:?}: the upstream got rid of {held}");
        assert_eq!(read_body(&mut client, framing, SIZE), SIZE);

        // The upstream reads nothing of a request.
        let taken = Arc::new(AtomicUsize::new(0));
        let mut client = connect(&gateway);
        write!(client, "PUT /open/x HTTP/1.1\r\nHost: a\r\n{}\r\n", framing.field(SIZE)).unwrap();
        let sending = {
            let (mut client, taken) = (client.try_clone().unwrap(), Arc::clone(&taken));
            thread::spawn(move || framing.send(&mut client, SIZE, &taken))
        };
        thread::sleep(pause * 3 / 4);
        let held = taken.load(Ordering::Relaxed);
        assert!((1..HELD).contains(&held), "{framing:?}: the client got rid of {held}");
        sending.join().unwrap().unwrap();
        assert!(read_head(&mut client).contains(&format!("x-received: {SIZE}\r\n")));
        let grown = gateway.status("VmHWM").saturating_sub(before);
        assert!(grown < FLAT, "{framing:?}: {grown} KiB more");
    }
}

#[test]
fn a_connection_that_has_sent_much_holds_nothing_of_it() {
    const CONNECTIONS: u64 = 200;
    let upstream = upstream(Framing::Length, MIB, Arc::default(), Duration::ZERO);
    let gateway = start(&upstream);
    let upload = |client: &mut TcpStream| {
        write!(client, "PUT /open/x HTTP/1.1\r\nHost: a\r\nContent-Length: {MIB}\r\n\r\n").unwrap();
        Framing::Length.send(client, MIB, &AtomicUsize::new(0)).unwrap();
        read_head(client);
    };
    upload(&mut connect(&gateway));
    let before = gateway.status("VmRSS");
    let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| connect(&gateway)).collect();
    clients.iter_mut().for_each(upload);
    let each = gateway.status("VmRSS").saturating_sub(before) / CONNECTIONS;
    println!("{each} KiB for a connection that is idle after an upload");
    assert!(each <= 32, "{each} KiB for a connection that is idle");
    drop(clients);
}
