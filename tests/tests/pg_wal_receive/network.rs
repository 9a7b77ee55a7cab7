//! Networks that stop carrying anything.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use hayloft_postgres::wal::TimelineId;
use hayloft_tests::postgres::version;
use rustix::process::Signal;

use super::setting::{
    Load, Setting, keeping, position, segment_size, segment_start, told, wait_for,
};

/// A network in between, which can be cut: then nothing arrives any more, and
/// nobody is told.
struct Network {
    port: u16,
    cut: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Network {
    fn before(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cut, streams) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (is_cut, kept) = (Arc::clone(&cut), Arc::clone(&streams));
        thread::spawn(move || {
            let to = SocketAddr::from(([127, 0, 0, 1], server));
            for client in listener.incoming() {
                let client = client.unwrap();
                let Ok(server) = TcpStream::connect(to) else { continue };
                for it in [&client, &server] {
                    kept.lock().unwrap().push(it.try_clone().unwrap());
                }
                let pairs =
                    [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)];
                for (from, to) in pairs {
                    let is_cut = Arc::clone(&is_cut);
                    thread::spawn(move || carry(from, to, &is_cut));
                }
            }
        });
        Self { port, cut, streams }
    }

    fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    /// What was under way when it was cut never arrives.
    fn mend(&self) {
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.cut.store(false, Ordering::SeqCst);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, cut: &AtomicBool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        while cut.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(10));
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn a_network_that_is_cut_is_noticed_and_nothing_is_lost() {
    let server = keeping()
        .programs(&version(15))
        .initdb("--wal-segsize=1")
        .tcp()
        // Both ends notice in seconds, so that the test need not take minutes.
        .setting("wal_sender_timeout", "3s")
        .start();
    server.pgbench("bench", 1);
    let network = Network::before(server.port());
    let conninfo = format!("host=127.0.0.1 port={} user=postgres sslmode=disable", network.port);
    let elements = "<slot_name>hayloft</slot_name><create_slot>auto</create_slot>\
                    <streaming_timeout>4s</streaming_timeout>";
    let setting = Setting::with(&conninfo, elements);
    let mut receiver = setting.receive(&[]);
    receiver.is_streaming();
    let first = segment_start(told(&server).unwrap(), segment_size(&server));
    for cut in 1..=3 {
        let load = Load::start(&server, "bench");
        let before = position(&server);
        wait_for("WAL", || position(&server).bytes() > before.bytes() + (1 << 20));
        network.cut();
        receiver.until_it_says("nothing came from the server for 4 s");
        wait_for("the failure", || setting.record()["phase"] != "streaming");
        drop(load);
        network.mend();
        let end = position(&server);
        wait_for("the stream", || told(&server) >= Some(end));
        assert!(receiver.says().matches("streaming timeline 1").count() > cut);
    }
    // It can be told to end while nothing arrives.
    network.cut();
    assert_eq!(receiver.is_told(Signal::TERM), Some(0), "{}", receiver.says());
    network.mend();
    let end = setting.catch_up(&server);
    setting.compare(&server, TimelineId::FIRST, first, end);
}
