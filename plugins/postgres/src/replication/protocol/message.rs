//! What a server says outside of copied data.

use bytes::{Buf, Bytes};

use super::frame::{Frame, Malformed, ended, take, take_text};
use crate::connection::ServerMessage;

/// A message of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// It wants us to authenticate, or is content.
    Authentication(Authentication),
    /// What a request to cancel must name: process, and key.
    Key(u32, Bytes),
    /// A setting, and its value.
    Parameter(String, String),
    /// It refuses.
    Error(ServerMessage),
    /// It tells something on the side.
    Notice(ServerMessage),
    /// Rows will follow.
    Description,
    /// A row.
    Row(Row),
    /// The command is done.
    Complete,
    /// It waits for a command.
    Ready,
    /// It wants data of us.
    CopyIn,
    /// Data will follow.
    CopyOut,
    /// Data will follow, and may be answered.
    CopyBoth,
    /// Data, of either kind.
    CopyData(Bytes),
    /// No more data.
    CopyDone,
    /// Something that does not matter to us.
    Other,
}

/// What a server wants of us before it trusts us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// Nothing more.
    Ok,
    /// The password as it is.
    Password,
    /// The password, hashed with this.
    Md5([u8; 4]),
    /// One of these mechanisms.
    Sasl(Vec<String>),
    /// The next step of the mechanism.
    SaslContinue(Bytes),
    /// The last one.
    SaslFinal(Bytes),
    /// A way that is not spoken here.
    Unknown(u32),
}

/// A row of an answer: the bytes of each column, or `None` for null.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row(Vec<Option<Bytes>>);

impl Row {
    /// Returns a column's bytes; `None` if it is null or not there.
    pub fn bytes(&self, column: usize) -> Option<&Bytes> {
        self.0.get(column)?.as_ref()
    }

    /// Returns a column as text; `None` if it is null or not there.
    ///
    /// # Errors
    ///
    /// [`Malformed::Value`] if it is no UTF-8.
    pub fn text(&self, column: usize, what: &'static str) -> Result<Option<&str>, Malformed> {
        let Some(bytes) = self.bytes(column) else { return Ok(None) };
        std::str::from_utf8(bytes).map(Some).map_err(|_| Malformed::value(what, bytes))
    }

    /// Returns a column read by its type; `None` if it is null or not there.
    ///
    /// # Errors
    ///
    /// [`Malformed::Value`] if it cannot be read.
    pub fn get<T: std::str::FromStr>(
        &self,
        column: usize,
        what: &'static str,
    ) -> Result<Option<T>, Malformed> {
        let Some(text) = self.text(column, what)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Malformed::value(what, text.as_bytes()))
    }

    /// The same for a column that must be there.
    ///
    /// # Errors
    ///
    /// [`Malformed::Value`] if it is null or cannot be read.
    pub fn need<T: std::str::FromStr>(
        &self,
        column: usize,
        what: &'static str,
    ) -> Result<T, Malformed> {
        self.get(column, what)?.ok_or_else(|| Malformed::value(what, b"null"))
    }

    fn parse(mut body: Bytes) -> Result<Self, Malformed> {
        const WHAT: &str = "a row";
        let cut = |_| Malformed::Cut { what: WHAT };
        let count = body.try_get_u16().map_err(cut)?;
        let mut columns = Vec::new();
        for _ in 0..count {
            let length = body.try_get_i32().map_err(cut)?;
            columns.push(match usize::try_from(length) {
                Ok(length) => Some(take(&mut body, length, WHAT)?),
                Err(_) => None,
            });
        }
        ended(&body, WHAT)?;
        Ok(Self(columns))
    }
}

impl Message {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is none.
    pub fn parse(frame: Frame) -> Result<Self, Malformed> {
        let Frame { tag, mut body } = frame;
        Ok(match tag {
            b'd' => Self::CopyData(body),
            b'D' => Self::Row(Row::parse(body)?),
            b'T' => Self::Description,
            b'C' | b'I' => Self::Complete,
            b'Z' => Self::Ready,
            b'G' => Self::CopyIn,
            b'H' => Self::CopyOut,
            b'W' => Self::CopyBoth,
            b'c' => Self::CopyDone,
            b'E' => Self::Error(fields(body)?),
            b'N' => Self::Notice(fields(body)?),
            b'R' => Self::Authentication(Authentication::parse(body)?),
            b'S' => {
                let name = take_text(&mut body, "a setting")?;
                let value = take_text(&mut body, "a setting")?;
                ended(&body, "a setting")?;
                Self::Parameter(lossy(&name), lossy(&value))
            }
            b'K' => {
                let process =
                    body.try_get_u32().map_err(|_| Malformed::Cut { what: "the key to cancel" })?;
                Self::Key(process, body)
            }
            // A notification, or a newer protocol than there is.
            b'A' | b'v' => Self::Other,
            tag => return Err(Malformed::Unexpected { tag, what: "there is none such" }),
        })
    }
}

impl Authentication {
    /// The kinds of requests: "Message Formats", `AuthenticationOk` and on.
    fn parse(mut body: Bytes) -> Result<Self, Malformed> {
        const WHAT: &str = "a request to authenticate";
        let kind = body.try_get_u32().map_err(|_| Malformed::Cut { what: WHAT })?;
        Ok(match kind {
            0 => Self::Ok,
            3 => Self::Password,
            5 => {
                let salt = take(&mut body, 4, WHAT)?;
                Self::Md5(salt.first_chunk().copied().ok_or(Malformed::Cut { what: WHAT })?)
            }
            10 => {
                let mut mechanisms = Vec::new();
                while !matches!(body.first(), None | Some(0)) {
                    mechanisms.push(lossy(&take_text(&mut body, WHAT)?));
                }
                Self::Sasl(mechanisms)
            }
            11 => Self::SaslContinue(body),
            12 => Self::SaslFinal(body),
            other => Self::Unknown(other),
        })
    }
}

/// An error or a notice: fields, each with a letter.
fn fields(mut body: Bytes) -> Result<ServerMessage, Malformed> {
    const WHAT: &str = "an error of the server";
    let mut all = ServerMessage {
        severity: String::new(),
        code: String::new(),
        message: String::new(),
        detail: None,
        hint: None,
    };
    let mut untranslated = None;
    loop {
        let kind = body.try_get_u8().map_err(|_| Malformed::Cut { what: WHAT })?;
        if kind == 0 {
            break;
        }
        let value = lossy(&take_text(&mut body, WHAT)?);
        match kind {
            b'S' => all.severity = value,
            b'V' => untranslated = Some(value),
            b'C' => all.code = value,
            b'M' => all.message = value,
            b'D' => all.detail = Some(value),
            b'H' => all.hint = Some(value),
            _ => {}
        }
    }
    if let Some(severity) = untranslated {
        all.severity = severity;
    }
    Ok(all)
}

fn lossy(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(tag: u8, body: &[u8]) -> Result<Message, Malformed> {
        Message::parse(Frame { tag, body: Bytes::copy_from_slice(body) })
    }

    #[test]
    fn errors_keep_what_a_caller_needs() {
        let body = b"SFEHLER\0VERROR\0C42710\0Mda\0Dmehr\0Hhilfe\0Fslot.c\0L12\0\0";
        let Message::Error(error) = parse(b'E', body).unwrap() else { panic!("no error") };
        assert_eq!((error.severity.as_str(), error.code.as_str()), ("ERROR", "42710"));
        assert_eq!((error.message.as_str(), error.detail.as_deref()), ("da", Some("mehr")));
        assert_eq!(error.hint.as_deref(), Some("hilfe"));
        for body in [&b""[..], b"S", b"Sx", b"Sx\0"] {
            assert!(parse(b'E', body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn rows_are_read_and_bad_ones_refused() {
        let body = b"\0\x03\0\0\0\x01\x37\xff\xff\xff\xff\0\0\0\0";
        let Message::Row(row) = parse(b'D', body).unwrap() else { panic!("no row") };
        assert_eq!(row.need::<u32>(0, "a number").unwrap(), 7);
        assert_eq!(row.get::<u32>(1, "a number").unwrap(), None);
        assert_eq!(row.text(2, "a text").unwrap(), Some(""));
        assert_eq!(row.text(3, "a text").unwrap(), None);
        assert!(row.need::<u32>(2, "a number").is_err());
        for body in
            [&b"\0"[..], b"\0\x01", b"\0\x01\0\0\0\x02x", b"\0\x01\x7f\xff\xff\xff", b"\0\0x"]
        {
            assert!(parse(b'D', body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn requests_to_authenticate_are_told_apart() {
        let sasl = b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
        let Message::Authentication(Authentication::Sasl(names)) = parse(b'R', sasl).unwrap()
        else {
            panic!("not SASL");
        };
        assert_eq!(names, ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]);
        let gss = parse(b'R', b"\0\0\0\x07").unwrap();
        assert_eq!(gss, Message::Authentication(Authentication::Unknown(7)));
        assert!(parse(b'R', b"\0\0\0\x05abc").is_err());
        assert!(parse(b'R', b"\0\0\0\x0aabc").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(
            tag: u8,
            body in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let _ = parse(tag, &body);
            for tag in *b"DENRSKTCZGHW" {
                let _ = parse(tag, &body);
            }
        }
    }
}
