//! Who gives keys for a token, as Amazon's Security Token Service does.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use jiff::Timestamp;

use crate::{
    ACCESS_KEY, Certificate, SECRET_KEY,
    serving::{Answer, Failure, Serving, never},
};

/// A running server. It takes every token, and gives the keys of
/// [`S3Server`](crate::S3Server).
#[derive(Debug)]
pub struct StsServer {
    serving: Serving,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    asked: Vec<BTreeMap<String, String>>,
    good_for: Duration,
    refusals: Vec<(u16, &'static str, usize)>,
}

impl StsServer {
    /// Starts a server, which encrypts.
    pub fn start(certificate: &Certificate) -> Self {
        let good_for = Duration::from_hours(1);
        let state = State { asked: Vec::new(), good_for, refusals: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let answer = move |request| {
            let state = Arc::clone(&shared);
            async move { answer(&state, request).await }
        };
        Self { serving: Serving::with(answer, Some(certificate.acceptor())), state }
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.serving.address
    }

    /// Returns where clients find it.
    pub fn endpoint(&self) -> String {
        format!("https://localhost:{}", self.serving.address.port())
    }

    /// Says how long keys are good from now on.
    pub fn good_for(&self, time: Duration) {
        locked(&self.state).good_for = time;
    }

    /// Refuses the next questions, so many of them, with a status and a code.
    pub fn refuse(&self, status: u16, code: &'static str, times: usize) {
        locked(&self.state).refusals.push((status, code, times));
    }

    /// Returns what was asked in bodies, by name.
    pub fn asked(&self) -> Vec<BTreeMap<String, String>> {
        locked(&self.state).asked.clone()
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(state: &Mutex<State>, request: Request<Incoming>) -> Result<Answer, Failure> {
    let shown = request.uri().query().is_some();
    let body = request.into_body().collect().await.map_err(Failure::other)?.to_bytes();
    let mut state = locked(state);
    let asked: BTreeMap<_, _> = String::from_utf8_lossy(&body).split('&').map(pair).collect();
    state.asked.push(asked.clone());
    // A token has nothing to do in an address.
    if shown || asked.get("Action").is_none_or(|it| it != "AssumeRoleWithWebIdentity") {
        return Ok(said(400, refusal("MissingAction")));
    }
    if let Some((status, code, left)) = state.refusals.iter_mut().find(|it| it.2 > 0) {
        *left -= 1;
        return Ok(said(*status, refusal(code)));
    }
    let until = Timestamp::now() + state.good_for;
    let token = asked.get("WebIdentityToken").map_or("", String::as_str);
    Ok(said(
        200,
        format!(
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
             <AccessKeyId>{ACCESS_KEY}</AccessKeyId><SecretAccessKey>{SECRET_KEY}</SecretAccessKey>\
             <SessionToken>of-{token}</SessionToken><Expiration>{until}</Expiration></Credentials>\
             </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        ),
    ))
}

fn pair(text: &str) -> (String, String) {
    let decode = |it: &str| {
        let it = it.replace('+', " ");
        percent_encoding::percent_decode_str(&it).decode_utf8_lossy().into_owned()
    };
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (decode(name), decode(value))
}

fn refusal(code: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>so it is</Message>\
         </Error></ErrorResponse>"
    )
}

fn said(status: u16, body: String) -> Answer {
    let mut answer = Response::new(Full::new(body.into()).map_err(never).boxed());
    *answer.status_mut() = StatusCode::from_u16(status).expect("tests give a status of HTTP");
    answer
}
