//! Asks a server whether it takes connections, without logging in.

use std::{
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    os::unix::{ffi::OsStrExt, net::UnixStream},
    path::Path,
    time::Duration,
};

use socket2::{Domain, SockAddr, Socket, Type};

use super::pid_file::PidFile;

/// How long a server may take to answer the first message.
const PATIENCE: Duration = Duration::from_secs(3);
/// `cannot_connect_now`: starting up, shutting down, or not consistent yet.
const NOT_NOW: &[u8] = b"57P03";

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It takes connections (and may still refuse this role).
    Accepting,
    /// It says that it does not.
    Rejecting(String),
    /// Nobody is there, or says nothing that we understand.
    Silent(String),
}

/// An answer, and the process that listens, if it was a socket of this
/// machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) answer: Answer,
    pub(super) listener: Option<u32>,
}

/// Sends a start-up packet to where a pid file says that the server listens,
/// and hangs up at the first answer.
pub(super) fn ask(pid_file: &PidFile, user: &str) -> Reply {
    let silent = |why: String| Reply { answer: Answer::Silent(why), listener: None };
    let Some(port) = pid_file.port else {
        return silent("postmaster.pid tells no port".to_owned());
    };
    if let Some(directory) = &pid_file.socket_directory {
        return match open_socket(directory, port) {
            Ok(stream) => {
                let listener = rustix::net::sockopt::socket_peercred(&stream)
                    .ok()
                    .and_then(|it| u32::try_from(it.pid.as_raw_nonzero().get()).ok());
                let _ = stream.set_read_timeout(Some(PATIENCE));
                let _ = stream.set_write_timeout(Some(PATIENCE));
                Reply { answer: converse(stream, user), listener }
            }
            Err(error) => silent(format!("the socket in {}: {error}", directory.display())),
        };
    }
    let address = match pid_file.listen_address.as_deref() {
        None => return silent("the server listens nowhere".to_owned()),
        Some("*" | "0.0.0.0") => "127.0.0.1",
        Some("::") => "::1",
        Some(other) => other,
    };
    match open_tcp(address, port) {
        Ok(stream) => {
            let _ = stream.set_read_timeout(Some(PATIENCE));
            let _ = stream.set_write_timeout(Some(PATIENCE));
            Reply { answer: converse(stream, user), listener: None }
        }
        Err(error) => silent(format!("{address} port {port}: {error}")),
    }
}

fn open_socket(directory: &Path, port: u16) -> std::io::Result<UnixStream> {
    let mut path = directory.join(format!(".s.PGSQL.{port}"));
    if let Some(name) = path.as_os_str().as_bytes().strip_prefix(b"@") {
        let name = [b"\0", name].concat();
        path = std::ffi::OsStr::from_bytes(&name).into();
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A full queue must not make us wait.
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    socket.set_nonblocking(false)?;
    Ok(UnixStream::from(socket))
}

fn open_tcp(address: &str, port: u16) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
    for it in (address, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&it, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn converse(mut stream: impl Read + Write, user: &str) -> Answer {
    if let Err(error) = stream.write_all(&start_up_packet(user)) {
        return Answer::Silent(error.to_string());
    }
    let mut answer = Vec::new();
    let mut part = [0; 1024];
    while !is_whole(&answer) {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&part[..count]),
            Err(error) => return Answer::Silent(error.to_string()),
        }
    }
    read_answer(&answer)
}

fn start_up_packet(user: &str) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for word in ["user", user, "database", "postgres", ""] {
        body.extend_from_slice(word.as_bytes());
        body.push(0);
    }
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &body].concat()
}

/// Only of an error the rest matters.
fn is_whole(answer: &[u8]) -> bool {
    match answer {
        [b'E', a, b, c, d, rest @ ..] => {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            rest.len() + 4 >= length || rest.len() > 8192
        }
        [] | [b'E', ..] => false,
        _ => true,
    }
}

fn read_answer(answer: &[u8]) -> Answer {
    let [kind, _, _, _, _, body @ ..] = answer else {
        return if answer.first() == Some(&b'R') {
            Answer::Accepting
        } else {
            Answer::Silent("it hung up".to_owned())
        };
    };
    match kind {
        b'R' | b'v' => Answer::Accepting,
        b'E' => {
            let field = |letter: u8| {
                body.split(|it| *it == 0).find_map(|it| it.strip_prefix(&[letter][..]))
            };
            if field(b'C') == Some(NOT_NOW) {
                let message = field(b'M').unwrap_or(b"it takes no connections now");
                Answer::Rejecting(String::from_utf8_lossy(message).into_owned())
            } else {
                Answer::Accepting
            }
        }
        _ => Answer::Silent("it is no PostgreSQL server".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(fields: &str) -> Vec<u8> {
        let body = fields.replace('|', "\0") + "\0\0";
        let length = u32::try_from(body.len() + 4).unwrap();
        [&b"E"[..], &length.to_be_bytes(), body.as_bytes()].concat()
    }

    #[test]
    fn answers_tell_whether_it_takes_connections() {
        let starting = "the database system is starting up";
        let cases = [
            (b"R\0\0\0\x08\0\0\0\0".to_vec(), Answer::Accepting),
            (error("SFATAL|C28000|Mno"), Answer::Accepting),
            (error("SFATAL|C53300|Mtoo many"), Answer::Accepting),
            (error(&format!("SFATAL|C57P03|M{starting}")), Answer::Rejecting(starting.into())),
            (b"HTTP/1.1 400 Bad".to_vec(), Answer::Silent("it is no PostgreSQL server".into())),
            (Vec::new(), Answer::Silent("it hung up".into())),
        ];
        for (bytes, answer) in cases {
            assert_eq!(read_answer(&bytes), answer, "{bytes:?}");
        }
    }

    #[test]
    fn an_error_is_read_to_its_end() {
        let whole = error("SFATAL|C57P03|Mx");
        for length in 0..whole.len() {
            assert!(!is_whole(&whole[..length]), "{length}");
        }
        assert!(is_whole(&whole));
    }
}
