//! Requests for keys: to whom the surroundings say, and not to the store.

use http::{HeaderValue, Method, StatusCode, Uri, header};
use object_store::client::{
    HttpClient, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
};

use super::{LONGEST_REFUSAL, now};
use crate::failure::{Failure, Refusal, deepest};

/// What is asked of who gives keys for a token.
const EXCHANGE: &str = "Action=AssumeRoleWithWebIdentity";

/// Tells whether a token is exchanged for keys, and stands where everybody
/// notes it who sees an address.
pub(super) fn shows_token(request: &HttpRequest) -> bool {
    let query = request.uri().query().unwrap_or_default();
    request.method() == Method::POST && query.split('&').any(|it| it == EXCHANGE)
}

/// Asks for keys. A failure must not look as if it were the store's.
pub(super) async fn ask(
    client: &HttpClient,
    request: HttpRequest,
) -> Result<HttpResponse, HttpError> {
    let host = request.uri().host().unwrap_or_default().to_owned();
    let giver = format!("{host}, which is to give credentials,");
    let request = if shows_token(&request) { in_body(request)? } else { request };
    let answer = match client.execute(request).await {
        Ok(answer) => answer,
        Err(error) => {
            let text = format!("{giver} cannot be reached: {}", deepest(&error));
            return Err(failed(Failure::no_keys(text)));
        }
    };
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let (parts, body) = answer.into_parts();
    let body = body.bytes().await.unwrap_or_default();
    let body = &body[..body.len().min(LONGEST_REFUSAL)];
    let refusal = Refusal::read(status, &parts.headers, body, now());
    Err(failed(judged(status, &refusal, &giver)))
}

/// Says what an answer means that is no answer.
fn judged(status: StatusCode, refusal: &Refusal, giver: &str) -> Failure {
    if refusal.code.is_empty() {
        let text = format!("{giver} answers {status}");
        let passes = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        return if passes { Failure::Unreachable(text) } else { Failure::no_keys(text) };
    }
    let text = format!("{giver} answers {refusal}");
    let remedy = match refusal.code.as_str() {
        "ExpiredToken" | "ExpiredTokenException" => {
            "the token in AWS_WEB_IDENTITY_TOKEN_FILE has expired: see that it is written anew in \
             time"
        }
        "InvalidIdentityToken" | "IDPRejectedClaim" | "InvalidParameterValue" => {
            "the token in AWS_WEB_IDENTITY_TOKEN_FILE is not taken: check the file, and that its \
             issuer is known as an identity provider"
        }
        "AccessDenied" | "ValidationError" | "InvalidRoleArn" => {
            "check AWS_ROLE_ARN, and that the role trusts who the token is about \
             (sts:AssumeRoleWithWebIdentity)"
        }
        _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            return Failure::Unreachable(text);
        }
        "IDPCommunicationError" | "Throttling" => return Failure::Unreachable(text),
        _ => return Failure::no_keys(text),
    };
    Failure::NoCredentials { text, remedy: Some(remedy) }
}

fn failed(failure: Failure) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, failure)
}

/// Moves the question from the address into the body, as Amazon's own programs
/// have it: addresses are noted on the way and at the end of it.
fn in_body(request: HttpRequest) -> Result<HttpRequest, HttpError> {
    let (mut parts, _) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let mut to = parts.uri.into_parts();
    let path = to.path_and_query.as_ref().map_or("/", |it| it.path());
    let wrong = |e: &dyn std::fmt::Display| failed(Failure::Nonsense(e.to_string()));
    to.path_and_query = Some(path.parse().map_err(|e| wrong(&e as &http::uri::InvalidUri))?);
    parts.uri = Uri::from_parts(to).map_err(|e| wrong(&e))?;
    parts.headers.remove(header::CONTENT_LENGTH);
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    parts.headers.insert(header::CONTENT_TYPE, form);
    Ok(HttpRequest::from_parts(parts, HttpRequestBody::from(query)))
}
