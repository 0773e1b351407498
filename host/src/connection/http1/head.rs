//! The head of a request apart from the buffer that it was read into. Changes nothing that it says.

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderValue, Uri};

/// What holds on to the buffer that a head was read into, as long as this lives.
pub(super) type Pin = Option<HeaderValue>;

/// Copies a head out of the buffer that it was read into, of which it is a small part, and gives back what still holds
/// on to that.
///
/// While a request waits hyper reads on, to see the client leave, and does so into another buffer as long as this one is
/// held on to: into memory that was never written to, and that costs nothing until it is. So the pin is to be dropped
/// once hyper has read on.
pub(super) fn copy_out(head: &mut Parts) -> Pin {
    let pin = head.headers.values().next().cloned();
    let path = match head.uri.authority() {
        Some(_) => None,
        None => head.uri.path_and_query().map(|path| path.as_str()),
    };
    let path_length = path.map_or(0, str::len);
    let length = head.headers.values().map(HeaderValue::len).sum::<usize>();
    let mut copy = BytesMut::with_capacity(path_length + length);
    copy.extend_from_slice(path.unwrap_or_default().as_bytes());
    head.headers
        .values()
        .for_each(|value| copy.extend_from_slice(value.as_bytes()));
    let mut copy = copy.freeze();
    if path.is_some() {
        replace(
            &mut head.uri,
            copy.split_to(path_length),
            Uri::from_maybe_shared::<Bytes>,
        );
    } else if let Ok(uri) = head.uri.to_string().parse() {
        head.uri = uri;
    }
    for value in head.headers.values_mut() {
        let bytes = copy.split_to(value.len());
        replace(value, bytes, HeaderValue::from_maybe_shared::<Bytes>);
    }
    pin
}

/// Puts in place what reads the same, and can't be read otherwise.
fn replace<T, E>(place: &mut T, bytes: Bytes, read: impl FnOnce(Bytes) -> Result<T, E>) {
    if let Ok(copy) = read(bytes) {
        *place = copy;
    }
}
