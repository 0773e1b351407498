//! The tokens of Tornado's `xsrf_cookies`: a random one is in a cookie, and a request that changes something brings the
//! same in a form or a header, which a page of another site can't know. Both get a new mask each time they are written,
//! so that nothing of a page repeats itself (Tornado's version 2).

use http::Method;
use subtle::ConstantTimeEq as _;

/// A token, without its mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    bytes: Vec<u8>,
    /// When it was made, as its text says; seconds since the Unix epoch. Version 1 says nothing.
    time: Option<i64>,
}

/// Why a request is refused: Tornado's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Missing,
    Malformed,
    Different,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "'_xsrf' argument missing from POST",
            Self::Malformed => "'_xsrf' argument has invalid format",
            Self::Different => "XSRF cookie does not match POST argument",
        })
    }
}

impl Token {
    /// A new one, of this moment.
    pub fn random(now: i64) -> Self {
        Self {
            bytes: rand::random::<[u8; 16]>().to_vec(),
            time: Some(now),
        }
    }

    /// Reads a token, in the version 2 or in Tornado's first one, which has no mask: hexadecimal digits, or any text.
    pub fn read(text: &[u8]) -> Option<Self> {
        if is_versioned(text) {
            return Self::read_2(text);
        }
        let mut bytes = vec![0; text.len() / 2];
        let bytes = match base16ct::mixed::decode(text, &mut bytes) {
            Ok(bytes) => bytes.to_vec(),
            Err(_) => text.to_vec(),
        };
        (!bytes.is_empty()).then_some(Self { bytes, time: None })
    }

    fn read_2(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut parts = text.split('|');
        let (version, mask, masked, time) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        (version == "2" && parts.next().is_none()).then_some(())?;
        let mut room = [0; 4];
        let mask = base16ct::mixed::decode(mask, &mut room).ok()?;
        let mask = <[u8; 4]>::try_from(mask).ok()?;
        let mut bytes = vec![0; masked.len() / 2];
        base16ct::mixed::decode(masked, &mut bytes).ok()?;
        xor(&mut bytes, mask);
        let time = Some(time.parse().ok()?);
        (!bytes.is_empty()).then_some(Self { bytes, time })
    }

    /// Its text at this moment, under a new mask.
    pub fn masked(&self, now: i64) -> String {
        self.under(rand::random(), now)
    }

    fn under(&self, mask: [u8; 4], now: i64) -> String {
        let mut masked = self.bytes.clone();
        xor(&mut masked, mask);
        let [mask, masked] = [&mask[..], &masked].map(base16ct::lower::encode_string);
        format!("2|{mask}|{masked}|{}", self.time.unwrap_or(now))
    }

    /// Compares in constant time.
    fn is_same(&self, other: &Self) -> bool {
        self.bytes.ct_eq(&other.bytes).into()
    }
}

/// Whether a request brought the token of its cookie.
pub fn check(cookie: Option<&[u8]>, brought: Option<&[u8]>) -> Result<(), Refused> {
    let brought = brought.filter(|text| !text.is_empty());
    let brought = Token::read(brought.ok_or(Refused::Missing)?);
    let brought = brought.ok_or(Refused::Malformed)?;
    let expected = cookie.and_then(Token::read);
    match expected.is_some_and(|expected| expected.is_same(&brought)) {
        true => Ok(()),
        false => Err(Refused::Different),
    }
}

/// Whether requests of this method need no token. As in Tornado, all others change something.
pub fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether a text begins with a version: a number and `|`.
fn is_versioned(text: &[u8]) -> bool {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && text[0] != b'0' && text.get(digits) == Some(&b'|')
}

fn xor(bytes: &mut [u8], mask: [u8; 4]) {
    let mask = mask.iter().cycle();
    bytes
        .iter_mut()
        .zip(mask)
        .for_each(|(byte, mask)| *byte ^= mask);
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    #[test]
    fn a_token_is_the_same_under_each_mask() {
        let token = Token::random(NOW);
        let (one, two) = (token.masked(NOW), token.masked(NOW));
        assert_eq!(Token::read(one.as_bytes()), Some(token.clone()));
        assert_eq!(check(Some(one.as_bytes()), Some(two.as_bytes())), Ok(()));
        let other = Token::random(NOW).masked(NOW);
        let refused = check(Some(one.as_bytes()), Some(other.as_bytes()));
        assert_eq!(refused, Err(Refused::Different));
    }

    #[test]
    fn the_text_is_that_of_tornado() {
        let token = Token {
            bytes: (0..16).collect(),
            time: Some(NOW),
        };
        let text = token.under([0xde, 0xad, 0xbe, 0xef], 0);
        assert_eq!(
            text,
            "2|deadbeef|deacbcecdaa8b8e8d6a4b4e4d2a0b0e0|1700000000"
        );
    }

    #[test]
    fn the_first_version_is_read() {
        let cookie = "000102030405060708090a0b0c0d0e0f";
        let masked = Token::read(cookie.as_bytes()).unwrap().masked(NOW);
        assert_eq!(
            check(Some(cookie.as_bytes()), Some(masked.as_bytes())),
            Ok(())
        );
        assert_eq!(check(Some(b"any text"), Some(b"any text")), Ok(()));
    }

    #[test]
    fn what_is_no_token_or_another_is_refused() {
        let cookie = Token::random(NOW).masked(NOW);
        for (brought, why) in [
            (None, Refused::Missing),
            (Some(""), Refused::Missing),
            (Some("2|00|00|1"), Refused::Malformed),
            (Some("2|00000000|zz|1"), Refused::Malformed),
            (Some("2|00000000|0011|"), Refused::Malformed),
            (Some("2|00000000||1"), Refused::Malformed),
            (Some("3|00000000|0011|1"), Refused::Malformed),
            (Some("2|00000000|0011|1"), Refused::Different),
            (Some("0011"), Refused::Different),
        ] {
            let brought = brought.map(str::as_bytes);
            let refused = check(Some(cookie.as_bytes()), brought);
            assert_eq!(refused, Err(why), "{brought:?}");
        }
        let brought = Some(cookie.as_bytes());
        assert_eq!(check(None, brought), Err(Refused::Different));
        let empty = Some(&b"2|00000000||1"[..]);
        assert_eq!(check(empty, brought), Err(Refused::Different));
    }
}
