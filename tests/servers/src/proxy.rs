//! A proxy that does to a conversation what networks and busy servers do.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::serving::{Answer, Failure, Serving, never};

/// A request that came to the proxy.
#[derive(Debug, Clone)]
pub struct Call {
    /// How many came before.
    pub number: u64,
    /// Its method.
    pub method: Method,
    /// Its path, as it was sent.
    pub path: String,
    /// Its query, without the question mark.
    pub query: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// The length of its body.
    pub length: u64,
}

/// What is done to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It waits before it is handed on.
    Delay(Duration),
    /// It is answered with this status, and with a body of S3's with this code,
    /// and not handed on.
    Status(u16, &'static str),
    /// The connection ends without an answer, and it is not handed on.
    Drop,
    /// It is handed on, and the connection ends without an answer.
    LoseAnswer,
    /// A bit of its body is changed before it is handed on.
    FlipRequest,
    /// A bit of the answer's body is changed.
    FlipAnswer,
    /// The connection ends in the middle of the answer's body.
    CutAnswer,
    /// The answer's body ends early, as if it were whole.
    ShortenAnswer,
    /// The whole object is asked for instead of a part of it.
    IgnoreRange,
    /// Another part is asked for, one byte behind the right one.
    OtherRange,
}

type Plan = Arc<dyn Fn(&Call) -> Fault + Send + Sync>;

/// A proxy before a server, for plain HTTP.
#[derive(Debug)]
pub struct Proxy {
    serving: Serving,
    state: Arc<State>,
}

struct State {
    to: SocketAddr,
    plan: Mutex<Plan>,
    count: AtomicU64,
    faults: AtomicU64,
    calls: Mutex<Vec<Call>>,
    /// Whose turn it is, if only one request is handed on at a time.
    turn: Option<tokio::sync::Mutex<()>>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Proxy {
    /// Starts a proxy that hands everything on to `to`.
    pub fn start(to: SocketAddr) -> Self {
        Self::build(to, None)
    }

    /// The same, but hands on one request at a time: before servers that look
    /// first and act then.
    pub fn one_at_a_time(to: SocketAddr) -> Self {
        Self::build(to, Some(tokio::sync::Mutex::default()))
    }

    fn build(to: SocketAddr, turn: Option<tokio::sync::Mutex<()>>) -> Self {
        let state = Arc::new(State {
            to,
            plan: Mutex::new(Arc::new(|_| Fault::None)),
            count: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            calls: Mutex::new(Vec::new()),
            turn,
            client: Client::builder(TokioExecutor::new()).build_http(),
        });
        let shared = Arc::clone(&state);
        let serving = Serving::start(move |request| {
            let state = Arc::clone(&shared);
            async move { state.pass(request).await }
        });
        Self { serving, state }
    }

    /// Asks `plan` from now on what to do to each request.
    pub fn plan(&self, plan: impl Fn(&Call) -> Fault + Send + Sync + 'static) {
        *self.state.plan.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(plan);
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.serving.address
    }

    /// Returns where clients find it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.serving.address)
    }

    /// Returns how many requests came.
    pub fn count(&self) -> u64 {
        self.state.count.load(Ordering::SeqCst)
    }

    /// Returns to how many of them something was done.
    pub fn faults(&self) -> u64 {
        self.state.faults.load(Ordering::SeqCst)
    }

    /// Returns all requests that came, in the order of their arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.state.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl State {
    async fn pass(&self, request: Request<Incoming>) -> Result<Answer, Failure> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(Failure::other)?.to_bytes();
        let call = Call {
            number: self.count.fetch_add(1, Ordering::SeqCst),
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers.clone(),
            length: body.len() as u64,
        };
        let plan = Arc::clone(&self.plan.lock().unwrap_or_else(PoisonError::into_inner));
        let fault = plan(&call);
        if fault != Fault::None {
            self.faults.fetch_add(1, Ordering::SeqCst);
        }
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        let body = match fault {
            Fault::Drop => return Err(Failure::other("the proxy drops the connection")),
            Fault::Status(status, code) => return Ok(refusal(status, code)),
            Fault::FlipRequest => flipped(&body),
            _ => body,
        };
        if let Fault::Delay(time) = fault {
            tokio::time::sleep(time).await;
        }
        let uri = http::Uri::builder()
            .scheme("http")
            .authority(self.to.to_string())
            .path_and_query(parts.uri.path_and_query().map_or("/", |it| it.as_str()))
            .build()
            .map_err(Failure::other)?;
        let mut onward = Request::builder().method(parts.method).uri(uri);
        if let Some(headers) = onward.headers_mut() {
            *headers = parts.headers;
            range_of(headers, fault);
        }
        let onward = onward.body(Full::new(body)).map_err(Failure::other)?;
        let turn = match &self.turn {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        let answer = self.client.request(onward).await.map_err(Failure::other)?;
        drop(turn);
        damaged(answer, fault).await
    }
}

/// Does to the part that is asked for what is to be done.
fn range_of(headers: &mut HeaderMap, fault: Fault) {
    let Some(asked) = headers.get(header::RANGE).and_then(|it| it.to_str().ok()) else { return };
    match fault {
        Fault::IgnoreRange => drop(headers.remove(header::RANGE)),
        Fault::OtherRange => {
            let numbers = asked.trim_start_matches("bytes=").split('-');
            let shifted: Vec<_> =
                numbers.filter_map(|it| it.parse::<u64>().ok()).map(|it| it + 1).collect();
            if let [first, last] = shifted[..]
                && let Ok(value) = format!("bytes={first}-{last}").parse()
            {
                headers.insert(header::RANGE, value);
            }
        }
        _ => {}
    }
}

/// Does to an answer what is to be done.
async fn damaged(answer: Response<Incoming>, fault: Fault) -> Result<Answer, Failure> {
    let (mut parts, body) = answer.into_parts();
    match fault {
        Fault::LoseAnswer => {
            body.collect().await.map_err(Failure::other)?;
            Err(Failure::other("the proxy loses the answer"))
        }
        Fault::FlipAnswer => {
            let body = flipped(&body.collect().await.map_err(Failure::other)?.to_bytes());
            Ok(Response::from_parts(parts, whole(body)))
        }
        Fault::CutAnswer => {
            let body = body.collect().await.map_err(Failure::other)?.to_bytes();
            let half = body.slice(..body.len() / 2);
            let frames =
                [Ok(Frame::data(half)), Err(Failure::other("the proxy cuts the connection"))];
            let body = StreamBody::new(futures_util::stream::iter(frames));
            Ok(Response::from_parts(parts, BodyExt::boxed(body)))
        }
        Fault::ShortenAnswer => {
            let body = body.collect().await.map_err(Failure::other)?.to_bytes();
            let half = body.slice(..body.len() / 2);
            parts.headers.remove(header::CONTENT_LENGTH);
            Ok(Response::from_parts(parts, whole(half)))
        }
        _ => Ok(Response::from_parts(parts, body.map_err(Failure::other).boxed())),
    }
}

fn whole(body: Bytes) -> BoxBody<Bytes, Failure> {
    Full::new(body).map_err(never).boxed()
}

/// Changes a bit in the middle.
fn flipped(body: &Bytes) -> Bytes {
    let mut body = body.to_vec();
    let middle = body.len() / 2;
    if let Some(byte) = body.get_mut(middle) {
        *byte ^= 0x10;
    }
    body.into()
}

fn refusal(status: u16, code: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code>\
         <Message>said by the proxy</Message></Error>"
    );
    let mut answer = Response::new(whole(body.into()));
    *answer.status_mut() = StatusCode::from_u16(status).expect("tests give a status of HTTP");
    answer
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("to", &self.to).finish_non_exhaustive()
    }
}
