//! A server's threads and its port.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    runtime::Runtime,
};
use tokio_rustls::TlsAcceptor;

/// A server that runs until this is dropped.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    runtime: Option<Runtime>,
}

/// An error of a connection or of a service; it ends the connection.
pub(crate) type Failure = std::io::Error;
/// What a service answers.
pub(crate) type Answer = Response<BoxBody<Bytes, Failure>>;

impl Serving {
    /// Serves on a free port of 127.0.0.1.
    pub(crate) fn start<S, F>(service: S) -> Self
    where
        S: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Answer, Failure>> + Send + 'static,
    {
        Self::with(service, None)
    }

    /// The same, encrypted if it is told how.
    pub(crate) fn with<S, F>(service: S, tls: Option<TlsAcceptor>) -> Self
    where
        S: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Answer, Failure>> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("threads can be started");
        let listener = runtime
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .expect("127.0.0.1 has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        runtime.spawn(async move {
            loop {
                // What keeps a connection from being accepted is the client's end.
                let Ok((stream, _)) = listener.accept().await else { continue };
                let _ = stream.set_nodelay(true);
                let (service, tls) = (service.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, service).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, service).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, runtime: Some(runtime) }
    }
}

/// Serves one connection to its end.
pub(crate) async fn serve<I, S, F>(stream: I, service: S)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Answer, Failure>> + Send + 'static,
{
    let service = Arc::new(service);
    let service = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { service(request).await }
    });
    // That clients break off is what tests are about.
    let _ = Builder::new(TokioExecutor::new())
        .http1_only()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

impl Drop for Serving {
    fn drop(&mut self) {
        // In the background: a server may be dropped inside a runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What cannot happen, as a failure.
pub(crate) fn never(error: Infallible) -> Failure {
    match error {}
}
