//! What the host keeps for one instance beside bodies and messages, in bytes: the tables of its handles, and the texts of
//! the requests and the header fields that it made. It is counted now and then, and the more handles there are the more seldom, so that a call costs
//! nothing measurable.

use std::any::Any;
use std::fmt;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::sockets::TcpSocket;
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p2::bindings::http::types::{Method, Scheme};
use wasmtime_wasi_http::p2::types::{HostIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::p3::{Request, Response};

/// How many host calls pass between two counts, at least.
const CALLS: usize = 256;

/// What a handle takes beside what is behind it.
const HANDLE: usize = 128;

/// What a header field takes beside its name and its value.
const FIELD: usize = 64;

/// How many files, folders and sockets of WASI one instance may have open. The process's descriptors are for connections first.
const MAX_FILES: usize = 256;

/// The account of one instance.
pub struct Account {
    most: usize,
    calls_left: usize,
}

/// The error that ends an instance for which the host keeps too much.
#[derive(Debug, PartialEq, Eq)]
pub enum TooMuchKept {
    Bytes,
    Files,
}

impl fmt::Display for TooMuchKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes => {
                f.write_str("the host keeps more for the instance than `host_memory` allows")
            }
            Self::Files => write!(
                f,
                "the instance has more than {MAX_FILES} open files and sockets"
            ),
        }
    }
}

impl std::error::Error for TooMuchKept {}

impl Account {
    /// `most`: the limit, in bytes.
    pub fn new(most: u64) -> Self {
        Self {
            most: usize::try_from(most).unwrap_or(usize::MAX),
            calls_left: CALLS,
        }
    }

    /// Called at each host call. Whether it is time to count.
    pub fn is_due(&mut self) -> bool {
        self.calls_left = self.calls_left.saturating_sub(1);
        self.calls_left == 0
    }

    /// Counts. The error: it is too much.
    pub fn count(&mut self, table: &mut ResourceTable) -> Result<(), TooMuchKept> {
        let (mut handles, mut kept, mut files) = (0, 0, 0);
        for entry in table.iter_mut() {
            handles += 1;
            kept += HANDLE + size_of_val(entry) + texts(entry);
            files += usize::from(entry.is::<Descriptor>() || entry.is::<TcpSocket>());
        }
        self.calls_left = CALLS.max(handles);
        if kept > self.most {
            Err(TooMuchKept::Bytes)
        } else if files > MAX_FILES {
            Err(TooMuchKept::Files)
        } else {
            Ok(())
        }
    }
}

/// The bytes of the texts behind a handle.
fn texts(entry: &(dyn Any + Send)) -> usize {
    if let Some(fields) = entry.downcast_ref::<FieldMap>() {
        of_fields(fields)
    } else if let Some(request) = entry.downcast_ref::<Request>() {
        of_request(request)
    } else if let Some(response) = entry.downcast_ref::<Response>() {
        of_fields(&response.headers)
    } else if let Some(request) = entry.downcast_ref::<HostOutgoingRequest>() {
        of_outgoing_request(request)
    } else if let Some(response) = entry.downcast_ref::<HostIncomingResponse>() {
        of_fields(&response.headers)
    } else {
        0
    }
}

fn of_fields(fields: &FieldMap) -> usize {
    fields
        .iter()
        .map(|(name, value)| FIELD + name.as_str().len() + value.len())
        .sum()
}

/// Of WASI 0.3.
fn of_request(request: &Request) -> usize {
    let scheme = request
        .scheme
        .as_ref()
        .map_or(0, |text| text.as_str().len());
    let authority = request.authority.as_ref();
    let authority = authority.map_or(0, |text| text.as_str().len());
    let path = request.path_with_query.as_ref();
    let path = path.map_or(0, |text| text.as_str().len());
    request.method.as_str().len() + scheme + authority + path + of_fields(&request.headers)
}

/// Of WASI 0.2.
fn of_outgoing_request(request: &HostOutgoingRequest) -> usize {
    let method = match &request.method {
        Method::Other(text) => text.len(),
        _ => 0,
    };
    let scheme = match &request.scheme {
        Some(Scheme::Other(text)) => text.len(),
        _ => 0,
    };
    let others = [&request.authority, &request.path_with_query];
    let others = others.map(|text| text.as_ref().map_or(0, String::len));
    method + scheme + others.iter().sum::<usize>() + of_fields(&request.headers)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    #[test]
    fn fields_count_and_a_count_is_due_now_and_then() {
        let mut table = ResourceTable::new();
        let mut account = Account::new(1 << 20);
        let mut counts = 0;
        for _ in 0..2000 {
            table.push(0_u8).unwrap();
            if account.is_due() {
                counts += 1;
                account.count(&mut table).unwrap();
            }
        }
        assert!((3..=8).contains(&counts), "{counts}");
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-long",
            HeaderValue::from_maybe_shared(vec![b'a'; 100_000]).unwrap(),
        );
        for _ in 0..7 {
            account.count(&mut table).unwrap();
            let fields = FieldMap::new_immutable(&mut hooks(), headers.clone());
            table.push(fields).unwrap();
        }
        assert!(account.count(&mut table).is_ok());
        for _ in 0..4 {
            let fields = FieldMap::new_immutable(&mut hooks(), headers.clone());
            table.push(fields).unwrap();
        }
        assert_eq!(account.count(&mut table), Err(TooMuchKept::Bytes));
    }

    fn hooks() -> impl wasmtime_wasi_http::WasiHttpHooks {
        struct None;
        impl wasmtime_wasi_http::WasiHttpHooks for None {
            fn send_request(
                &mut self,
                _: http::Request<wasmtime_wasi_http::WasiBody>,
                _: Option<wasmtime_wasi_http::RequestOptions>,
                _: Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>,
            ) -> Box<
                dyn Future<
                        Output = Result<
                            (
                                http::Response<wasmtime_wasi_http::WasiBody>,
                                Box<
                                    dyn Future<Output = Result<(), wasmtime_wasi_http::Error>>
                                        + Send,
                                >,
                            ),
                            wasmtime_wasi_http::Error,
                        >,
                    > + Send,
            > {
                Box::new(async { Err(wasmtime_wasi_http::Error::HttpRequestDenied) })
            }
        }
        None
    }
}
