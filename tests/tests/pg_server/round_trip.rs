//! A whole status costs one round trip.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use hayloft_postgres::{
    connection::Connection,
    conninfo::{Conninfo, Environment},
    server::ServerStatus,
};
use hayloft_tests::postgres::Postgres;

/// A proxy that counts the questions of the client, and keeps back what the
/// server says until there were so many.
#[derive(Default)]
struct Gate {
    questions: AtomicUsize,
    /// Answers go through when there were this many questions.
    opens_at: AtomicUsize,
    asked: (Mutex<()>, Condvar),
}

impl Gate {
    fn wait(&self) {
        let mut guard = self.asked.0.lock().unwrap();
        while self.questions.load(Ordering::SeqCst) < self.opens_at.load(Ordering::SeqCst) {
            guard = self.asked.1.wait(guard).unwrap();
        }
    }

    /// Passes on whole messages of the client; the first has no tag.
    fn questions(&self, mut client: TcpStream, mut server: UnixStream) -> Option<()> {
        let mut tagged = false;
        loop {
            let mut head = vec![0; if tagged { 5 } else { 4 }];
            client.read_exact(&mut head).ok()?;
            let length = u32::from_be_bytes(head[head.len() - 4..].try_into().unwrap());
            let mut body = vec![0; usize::try_from(length).unwrap() - 4];
            client.read_exact(&mut body).ok()?;
            server.write_all(&[&head[..], &body].concat()).ok()?;
            if tagged && head[0] == b'Q' {
                self.questions.fetch_add(1, Ordering::SeqCst);
                let _guard = self.asked.0.lock().unwrap();
                self.asked.1.notify_all();
            }
            tagged = true;
        }
    }

    fn answers(&self, mut server: UnixStream, mut client: TcpStream) -> Option<()> {
        let mut piece = vec![0; 65536];
        loop {
            let read = server.read(&mut piece).ok().filter(|it| *it > 0)?;
            self.wait();
            client.write_all(&piece[..read]).ok()?;
        }
    }
}

#[test]
fn a_whole_status_costs_one_round_trip() {
    let server = Postgres::start();
    let gate = Arc::new(Gate::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let socket = server.socket_dir().join(format!(".s.PGSQL.{}", server.port()));
    let proxy = Arc::clone(&gate);
    // Ends with the process.
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), UnixStream::connect(&socket).unwrap());
            let (back, forth) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let (one, other) = (Arc::clone(&proxy), Arc::clone(&proxy));
            thread::spawn(move || one.questions(client, server));
            thread::spawn(move || other.answers(forth, back));
        }
    });
    let text = format!("host=127.0.0.1 port={port} user=postgres sslmode=disable");
    let target = text.parse::<Conninfo>().unwrap().resolve(&Environment::empty()).unwrap();
    let connection = Connection::open(&target).unwrap();
    ServerStatus::read(&connection, true).unwrap();
    let questions = gate.questions.load(Ordering::SeqCst);
    assert!(questions >= 10, "{questions}");

    // Whoever waits for an answer before the last question waits for ever.
    gate.opens_at.store(2 * questions, Ordering::SeqCst);
    connection.set_limit(Duration::from_mins(1));
    let status = ServerStatus::read(&connection, true).unwrap();
    assert!(status.identity.value().is_some());
    assert_eq!(gate.questions.load(Ordering::SeqCst), 2 * questions);
}
