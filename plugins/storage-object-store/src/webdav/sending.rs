//! A large file on its way: WebDAV has no parts, so they go one after the
//! other in one request. What breaks cannot go on.

use std::{collections::HashMap, sync::Mutex, sync::PoisonError, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use object_store::path::Path;
use tokio::{
    sync::{Mutex as Turn, mpsc, watch},
    task::JoinHandle,
};

use crate::{
    connector::now,
    failure::{Failure, Refusal},
    remote::Body,
};

/// Pieces that wait for the network.
const WAITING: usize = 4;

/// All files that are on their way.
#[derive(Debug, Default)]
pub(super) struct Sendings(Mutex<HashMap<String, std::sync::Arc<Sending>>>);

/// One that is on its way.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) temporary: Path,
    pieces: Turn<Option<mpsc::Sender<Bytes>>>,
    /// The part whose turn it is.
    next: watch::Sender<usize>,
    answer: Turn<Answer>,
}

#[derive(Debug)]
enum Answer {
    /// None yet.
    Awaited(JoinHandle<Result<(), Failure>>),
    /// All is there: so many bytes were sent.
    Good,
}

impl Sendings {
    pub(super) fn add(&self, upload: &str, sending: Sending) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(upload.to_owned(), std::sync::Arc::new(sending));
    }

    pub(super) fn get(&self, upload: &str) -> Option<std::sync::Arc<Sending>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(upload).cloned()
    }

    pub(super) fn remove(&self, upload: &str) -> Option<std::sync::Arc<Sending>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(upload)
    }
}

impl Sending {
    /// Begins to send to a URL.
    pub(super) fn begin(client: &reqwest::Client, url: String, temporary: Path) -> Self {
        let (pieces, received) = mpsc::channel(WAITING);
        let body = stream::unfold(received, |mut received| async move {
            let piece: Bytes = received.recv().await?;
            Some((Ok::<_, std::io::Error>(piece), received))
        });
        let request = client.put(url).body(reqwest::Body::wrap_stream(body));
        let answer = Answer::Awaited(tokio::spawn(answer(request)));
        Self {
            temporary,
            pieces: Turn::new(Some(pieces)),
            next: watch::Sender::new(0),
            answer: Turn::new(answer),
        }
    }

    /// Sends a part when it is its turn. Each piece may take `longest`.
    pub(super) async fn part(
        &self,
        index: usize,
        body: &Body,
        longest: Duration,
    ) -> Result<(), Failure> {
        let mut turn = self.next.subscribe();
        let mine = turn.wait_for(|next| *next >= index).await;
        mine.map_err(|_| lost("it was given up"))?;
        let pieces = self.pieces.lock().await;
        let Some(sender) = pieces.as_ref() else { return Err(lost("it was given up")) };
        for piece in body.pieces() {
            let sent = tokio::time::timeout(longest, sender.send(piece.clone())).await;
            match sent {
                Ok(Ok(())) => {}
                Ok(Err(_)) => {
                    drop(pieces);
                    return Err(self
                        .finish(longest)
                        .await
                        .err()
                        .unwrap_or_else(|| lost("it ended")));
                }
                Err(_) => return Err(lost("the server takes nothing any more")),
            }
        }
        self.next.send_replace(index + 1);
        Ok(())
    }

    /// Ends the file, and waits for the server's word that it is there.
    pub(super) async fn finish(&self, longest: Duration) -> Result<(), Failure> {
        self.pieces.lock().await.take();
        let mut answer = self.answer.lock().await;
        let Answer::Awaited(task) = &mut *answer else { return Ok(()) };
        let ended = tokio::time::timeout(longest, task).await;
        *answer = Answer::Good;
        match ended {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(failure))) => Err(failure),
            Ok(Err(_)) => Err(lost("it was given up")),
            Err(_) => Err(lost("the server does not say that it has it")),
        }
    }

    /// Breaks off.
    pub(super) async fn give_up(&self) {
        if let Answer::Awaited(task) = &*self.answer.lock().await {
            task.abort();
        }
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<(), Failure> {
    let broken = |e: reqwest::Error| {
        let mut at: &dyn std::error::Error = &e;
        while let Some(next) = at.source() {
            at = next;
        }
        lost(&at.to_string())
    };
    let answer = request.send().await.map_err(broken)?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    if status.is_success() {
        return Ok(());
    }
    let body = answer.bytes().await.unwrap_or_default();
    match Failure::from(Refusal::read(status, &headers, &body, now())) {
        Failure::Busy(it) => Err(lost(&it.to_string())),
        other => Err(other),
    }
}

fn lost(why: &str) -> Failure {
    let why = hayloft_plugin_api::text::one_line(why);
    Failure::Lost(format!("it broke in the middle, and cannot go on there: {why}"))
}
