//! One request and its response over `wasi:http`, and the time limit of both. Follows no redirect.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use wit_bindgen::{FutureReader, StreamReader};

use crate::httpclient::body_writer::BodyWriter;
use crate::httpclient::incoming::Incoming;
use crate::httpclient::request::{Body, HttpRequest, Producing};
use crate::httpclient::response::HttpClientError;
use crate::httpclient::url::Url;
use crate::ioloop::clocks::Sleep;
use crate::runtime::bindings::wasi::clocks::monotonic_clock;
use crate::runtime::bindings::wasi::http::client;
use crate::runtime::bindings::wasi::http::types::{
    ErrorCode, Fields, HeaderError, Method as WasiMethod, Request, RequestOptions, Response,
    Scheme, Trailers,
};
use crate::runtime::bindings::{wit_future, wit_stream};
use crate::runtime::durations::nanoseconds;

/// When a fetch began, and when it must be over.
pub struct Clock {
    began: u64,
    end: Option<Sleep>,
}

impl Clock {
    /// `limit`: no limit if it is zero.
    pub fn start(limit: Duration) -> Self {
        let began = monotonic_clock::now();
        let limit = nanoseconds(limit);
        let end = (limit > 0).then(|| Sleep::until(began.saturating_add(limit)));
        Self { began, end }
    }

    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(monotonic_clock::now().saturating_sub(self.began))
    }

    /// Waits for `future`, but not past the end.
    async fn within<T>(&mut self, future: impl Future<Output = T>) -> Result<T, HttpClientError> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if let Poll::Ready(value) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(value));
            }
            let end = self.end.as_mut();
            match end.is_some_and(|end| Pin::new(end).poll(cx).is_ready()) {
                true => Poll::Ready(Err(HttpClientError::new(599, "Timeout during request"))),
                false => Poll::Pending,
            }
        })
        .await
    }
}

type Ending = FutureReader<Result<Option<Trailers>, ErrorCode>>;

/// A response whose head has come.
pub struct Sent {
    pub code: u16,
    pub headers: HeaderMap,
    body: Incoming,
    /// The body that is still being sent.
    producing: Option<Producing>,
}

/// Sends a request, and waits for the head of the response.
pub async fn send(
    request: &mut HttpRequest,
    url: &Url,
    clock: &mut Clock,
) -> Result<Sent, HttpClientError> {
    let headers = headers(request, url)?;
    let options = RequestOptions::new();
    let connect_timeout = nanoseconds(request.connect_timeout);
    let _ = options.set_connect_timeout((connect_timeout > 0).then_some(connect_timeout));
    let (contents, mut producing, trailers) = contents(&mut request.body);
    let (outgoing, _) = Request::new(headers, contents, trailers, Some(options));
    let _ = outgoing.set_method(&method(&request.method));
    let scheme = match url.is_encrypted() {
        true => Scheme::Https,
        false => Scheme::Http,
    };
    let set = outgoing.set_scheme(Some(&scheme));
    let set = set.and_then(|()| outgoing.set_authority(Some(url.authority())));
    let set = set.and_then(|()| outgoing.set_path_with_query(Some(url.path_with_query())));
    set.map_err(|()| HttpClientError::new(599, format!("not a URL: {url}")))?;
    let sending = beside(&mut producing, client::send(outgoing));
    let response = clock.within(sending).await??;
    let response = response.map_err(|error| fault(&error))?;
    let code = response.get_status_code();
    let mut received = HeaderMap::new();
    for (name, value) in response.get_headers().copy_all() {
        let name = HeaderName::try_from(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            received.append(name, value);
        }
    }
    let (_, fine) = wit_future::new(|| Ok(()));
    Ok(Sent {
        code,
        headers: received,
        body: Incoming::new(Response::consume_body(response, fine)),
        producing,
    })
}

impl Sent {
    /// The next piece of the body; none at its end. Nothing is lost where this future is dropped before it is ready.
    pub async fn piece(&mut self, clock: &mut Clock) -> Result<Option<Vec<u8>>, HttpClientError> {
        let piece = poll_fn(|task| self.body.poll_piece(task));
        let piece = clock.within(beside(&mut self.producing, piece)).await??;
        piece.map_err(|error| fault(&error))
    }
}

/// Waits for `future` while the rest of the body is sent. An error of the body's producer ends both.
async fn beside<T>(
    producing: &mut Option<Producing>,
    future: impl Future<Output = T>,
) -> Result<T, HttpClientError> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if let Some(producer) = producing
            && let Poll::Ready(produced) = producer.as_mut().poll(cx)
        {
            *producing = None;
            if let Err(error) = produced {
                return Poll::Ready(Err(HttpClientError::new(599, format!("{error:#}"))));
            }
        }
        future.as_mut().poll(cx).map(Ok)
    })
    .await
}

fn contents(body: &mut Body) -> (Option<StreamReader<u8>>, Option<Producing>, Ending) {
    let (trailers, ending) = wit_future::new(|| Ok(None));
    match std::mem::replace(body, Body::Spent) {
        Body::None => {
            *body = Body::None;
            (None, None, ending)
        }
        Body::Whole(bytes) => {
            *body = Body::Whole(bytes.clone());
            let (mut writer, reader) = wit_stream::new();
            let write = async move {
                // The server may have answered without reading all of it.
                writer.write_all(Bytes::into(bytes)).await;
                Ok(())
            };
            (Some(reader), Some(Box::pin(write)), ending)
        }
        Body::Produced(producer) => {
            let (writer, reader) = wit_stream::new();
            let write = async move {
                let produced = producer(BodyWriter(writer)).await;
                if let Err(error) = &produced {
                    let broken = ErrorCode::InternalError(Some(format!("{error:#}")));
                    let _ = trailers.write(Err(broken)).await;
                }
                produced
            };
            (Some(reader), Some(Box::pin(write)), ending)
        }
        Body::Spent => (None, None, ending),
    }
}

fn headers(request: &HttpRequest, url: &Url) -> Result<Fields, HttpClientError> {
    let mut headers = request.headers.clone();
    headers
        .entry(USER_AGENT)
        .or_insert(HeaderValue::from_static(concat!(
            "Waterspout/",
            env!("CARGO_PKG_VERSION")
        )));
    if !request.decompress_response {
        headers
            .entry(ACCEPT_ENCODING)
            .or_insert(HeaderValue::from_static("identity"));
    }
    if let Some((username, password)) = request.auth.clone().or_else(|| url.user()) {
        let basic = STANDARD.encode(format!("{username}:{password}"));
        let value = HeaderValue::try_from(format!("Basic {basic}"));
        let value = value.map_err(|error| HttpClientError::new(599, error.to_string()))?;
        headers.entry(AUTHORIZATION).or_insert(value);
    }
    match &request.body {
        Body::Whole(bytes) => set_length(&mut headers, bytes.len())?,
        Body::None if !matches!(request.method, Method::GET | Method::HEAD | Method::TRACE) => {
            set_length(&mut headers, 0)?;
        }
        Body::None if headers.contains_key(CONTENT_LENGTH) => set_length(&mut headers, 0)?,
        _ => {}
    }
    let list: Vec<(String, Vec<u8>)> = headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_owned()))
        .collect();
    Fields::from_list(&list).map_err(|error| refused(&list, error))
}

/// Sets the length of the body. A length that the handler has set must be the same.
fn set_length(headers: &mut HeaderMap, length: usize) -> Result<(), HttpClientError> {
    if let Some(said) = headers.insert(CONTENT_LENGTH, HeaderValue::from(length))
        && said.as_bytes().trim_ascii() != length.to_string().as_bytes()
    {
        let said = String::from_utf8_lossy(said.as_bytes()).into_owned();
        let message =
            format!("The header `content-length` says {said:?}, and the body has {length} bytes");
        return Err(HttpClientError::new(599, message));
    }
    Ok(())
}

/// The header that the host does not take, and why.
fn refused(list: &[(String, Vec<u8>)], error: HeaderError) -> HttpClientError {
    let fields = Fields::new();
    let one = list
        .iter()
        .find_map(|(name, value)| Some((name, fields.append(name, value).err()?)));
    let message = match one {
        Some((name, HeaderError::Forbidden)) => {
            format!("The header `{name}` can't be set: the connection says it by itself")
        }
        Some((name, error)) => format!("The header `{name}` can't be sent: {error}"),
        None => format!("The headers can't be sent: {error}"),
    };
    HttpClientError::new(599, message)
}

fn method(method: &Method) -> WasiMethod {
    match *method {
        Method::GET => WasiMethod::Get,
        Method::HEAD => WasiMethod::Head,
        Method::POST => WasiMethod::Post,
        Method::PUT => WasiMethod::Put,
        Method::DELETE => WasiMethod::Delete,
        Method::CONNECT => WasiMethod::Connect,
        Method::OPTIONS => WasiMethod::Options,
        Method::TRACE => WasiMethod::Trace,
        Method::PATCH => WasiMethod::Patch,
        ref other => WasiMethod::Other(other.as_str().to_owned()),
    }
}

/// An error with Tornado's words, where Tornado has it.
fn fault(error: &ErrorCode) -> HttpClientError {
    let text = match error {
        ErrorCode::ConnectionTimeout => "Timeout while connecting".to_owned(),
        ErrorCode::ConnectionReadTimeout | ErrorCode::HttpResponseTimeout => {
            "Timeout during request".to_owned()
        }
        ErrorCode::HttpRequestDenied => {
            "Not granted: `allow = { http = […] }` of the component does not name this origin"
                .to_owned()
        }
        ErrorCode::ConnectionRefused => "Connection refused".to_owned(),
        ErrorCode::DestinationIpProhibited => {
            "Not granted: the name leads to this machine or its link".to_owned()
        }
        ErrorCode::DestinationUnavailable => "The server can't be reached".to_owned(),
        ErrorCode::DnsError(error) => {
            let why = error.rcode.as_deref().unwrap_or("nobody knows it");
            format!("The name has no address: {why}")
        }
        ErrorCode::TlsCertificateError => "The server's certificate is not accepted".to_owned(),
        ErrorCode::HttpRequestBodySize(_) => {
            "The header `content-length` says something else than the body is long".to_owned()
        }
        ErrorCode::HttpResponseHeaderSectionSize(_) => {
            "The head of the response is too long".to_owned()
        }
        ErrorCode::HttpResponseContentCoding(Some(why)) | ErrorCode::InternalError(Some(why)) => {
            why.clone()
        }
        ErrorCode::HttpResponseIncomplete | ErrorCode::ConnectionTerminated => {
            "Stream closed".to_owned()
        }
        other => other.to_string(),
    };
    HttpClientError::new(599, text)
}
