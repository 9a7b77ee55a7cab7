//! Sees how the server wants us to authenticate, before anything is answered.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use crate::conninfo::RequireAuth;

/// Follows the messages of a server up to the end of authentication.
#[derive(Debug, Clone)]
pub(crate) struct AuthWatch {
    allowed: Option<RequireAuth>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The head of a message: its tag, its length and its first four bytes.
    head: Vec<u8>,
    /// What is left of the message behind them.
    skip: usize,
    done: bool,
    method: Option<&'static str>,
    forbidden: Option<&'static str>,
}

/// Tag and length.
const PLAIN_HEAD: usize = 5;
/// Those of an authentication request, and its kind.
const AUTH_HEAD: usize = 9;

impl AuthWatch {
    pub(super) fn new(allowed: Option<RequireAuth>) -> Self {
        Self { allowed, state: Arc::default() }
    }

    /// Looks at what came; fails if a method is wanted that is not allowed.
    pub(super) fn see(&self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = bytes;
        while !state.done && !rest.is_empty() {
            let skipped = state.skip.min(rest.len());
            state.skip -= skipped;
            rest = &rest[skipped..];
            if state.skip > 0 {
                break;
            }
            let wanted = if state.head.first() == Some(&b'R') { AUTH_HEAD } else { PLAIN_HEAD };
            let take = wanted.saturating_sub(state.head.len()).min(rest.len());
            // The tag decides how much is wanted: take it alone.
            let take = if state.head.is_empty() { take.min(1) } else { take };
            state.head.extend_from_slice(&rest[..take]);
            rest = &rest[take..];
            let is_auth = state.head.first() == Some(&b'R');
            if state.head.len() == if is_auth { AUTH_HEAD } else { PLAIN_HEAD } {
                state.message();
            }
        }
        let Some(method) = state.method else { return Ok(()) };
        match &self.allowed {
            Some(allowed) if !allowed.allows(method) => {
                state.forbidden = Some(method);
                Err(io::Error::new(io::ErrorKind::PermissionDenied, "method not allowed"))
            }
            _ => Ok(()),
        }
    }

    /// Returns the method, once the server has said it.
    pub(crate) fn method(&self) -> Option<&'static str> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).method
    }

    /// Returns the method that was not allowed.
    pub(crate) fn forbidden(&self) -> Option<&'static str> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).forbidden
    }
}

impl State {
    fn message(&mut self) {
        let head = std::mem::take(&mut self.head);
        let number = |at: usize| -> u32 {
            let bytes = head.get(at..at + 4).and_then(|it| it.try_into().ok());
            u32::from_be_bytes(bytes.unwrap_or_default())
        };
        let length = usize::try_from(number(1)).unwrap_or(usize::MAX);
        self.skip = (length + 1).saturating_sub(head.len());
        match head[0] {
            b'R' => self.request(number(5)),
            // An error ends it; whatever else there is comes before.
            b'E' => self.done = true,
            _ => {}
        }
    }

    /// The kinds of requests (protocol documentation, "Message Formats").
    fn request(&mut self, kind: u32) {
        let method = match kind {
            0 => {
                self.done = true;
                self.method.unwrap_or("none")
            }
            3 => "password",
            5 => "md5",
            7 | 8 => "gss",
            9 => "sspi",
            10 => "scram-sha-256",
            _ => return,
        };
        self.method = Some(method);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(kind: u32, more: &[u8]) -> Vec<u8> {
        let length = u32::try_from(8 + more.len()).unwrap();
        [&b"R"[..], &length.to_be_bytes(), &kind.to_be_bytes(), more].concat()
    }

    fn watch(list: &str) -> AuthWatch {
        let negated = list.starts_with('!');
        let methods = list.split(',').map(|it| it.trim_start_matches('!').to_owned()).collect();
        AuthWatch::new(Some(RequireAuth { methods, negated }))
    }

    #[test]
    fn methods_are_seen_however_the_bytes_come() {
        let scram =
            [request(10, b"SCRAM-SHA-256\0\0"), request(11, b"x"), request(0, b"")].concat();
        let cases = [
            ("scram-sha-256", scram.clone(), true),
            ("md5", scram, false),
            ("none", request(0, b""), true),
            ("!none", request(0, b""), false),
            ("password,none", request(3, b""), true),
            ("!password", request(3, b""), false),
            ("md5", b"E\0\0\0\x05\0".to_vec(), true),
        ];
        for (list, bytes, good) in cases {
            for size in 1..bytes.len() {
                let watch = watch(list);
                let seen = bytes.chunks(size).try_for_each(|it| watch.see(it));
                assert_eq!(seen.is_ok(), good, "{list} {size}");
                assert_eq!(watch.forbidden().is_none(), good);
            }
        }
    }
}
