//! Tornado's signed values: made and checked with `cookie_secret`, which nothing else sees. The format is that of Tornado
//! ([`create_signed_value`](https://www.tornadoweb.org/en/stable/web.html#tornado.web.RequestHandler.create_signed_value)),
//! byte for byte, so that apps on both can share their cookies.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::hmac;

use crate::config::Secret;

/// The secrets of an app, ready for use.
pub struct Signer {
    /// By version; 0 where there is one secret without a version.
    keys: BTreeMap<u32, Keys>,
    /// The version that signs. `None`: there is one secret for all.
    key_version: Option<u32>,
}

struct Keys {
    secret: Secret,
    /// For the format 2.
    sha256: hmac::Key,
    /// For the format 1.
    sha1: hmac::Key,
}

/// Why a value can't be signed, for the author of the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignError {
    /// There are the formats 1 and 2.
    UnknownFormat(u32),
    /// The format 1 has no version of a secret.
    FormatWithoutVersions,
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFormat(version) => {
                write!(f, "there is no version {version} of signed values: 1 or 2")
            }
            Self::FormatWithoutVersions => f.write_str(
                "version 1 of signed values has no `key_version`; `cookie_secret` is a table",
            ),
        }
    }
}

/// The two formats.
const FORMATS: std::ops::RangeInclusive<u32> = 1..=2;

/// How far a value's time may be ahead of this machine's: the clocks of several servers differ.
const AHEAD: Duration = Duration::from_secs(5 * 60);

/// The same for the format 1, as Tornado has it.
const AHEAD_1: Duration = Duration::from_secs(31 * 24 * 3600);

impl Signer {
    /// Keeps secrets by version. `key_version`: the one that signs; `None` where there is one secret, at 0.
    pub fn new(secrets: BTreeMap<u32, Secret>, key_version: Option<u32>) -> Self {
        let keys = secrets.into_iter().map(|(version, secret)| {
            let bytes = secret.expose().as_bytes();
            let keys = Keys {
                sha256: hmac::Key::new(hmac::HMAC_SHA256, bytes),
                sha1: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, bytes),
                secret,
            };
            (version, keys)
        });
        Self {
            keys: keys.collect(),
            key_version,
        }
    }

    /// Signs a value at a time, which counts from the Unix epoch. `format`: 2 where it is absent.
    pub fn create(
        &self,
        name: &str,
        value: &[u8],
        format: Option<u32>,
        now: Duration,
    ) -> Result<String, SignError> {
        let version = self.key_version.unwrap_or_default();
        let time = now.as_secs().to_string();
        let value = BASE64.encode(value);
        match format.unwrap_or(2) {
            1 if self.key_version.is_some() => Err(SignError::FormatWithoutVersions),
            1 => {
                let tag = self.keys.get(&version).map(|keys| {
                    let signed = [name, &value, &time].concat();
                    hmac::sign(&keys.sha1, signed.as_bytes())
                });
                Ok(format!("{value}|{time}|{}", hex(tag)))
            }
            2 => {
                let field = |text: &str| format!("{}:{text}|", text.len());
                let fields = [&version.to_string(), &time, name, &value].map(field);
                let mut signed = "2|".to_owned() + &fields.concat();
                let keys = self.keys.get(&version);
                let tag = keys.map(|keys| hmac::sign(&keys.sha256, signed.as_bytes()));
                signed += &hex(tag);
                Ok(signed)
            }
            other => Err(SignError::UnknownFormat(other)),
        }
    }

    /// The value in a signed one, if its signature is right, it was signed for this name, and it is no older.
    /// `least_format`: 1 where it is absent.
    pub fn decode(
        &self,
        name: &str,
        signed: &[u8],
        max_age: Duration,
        least_format: Option<u32>,
        now: Duration,
    ) -> Result<Option<Vec<u8>>, SignError> {
        let least = least_format.unwrap_or(1);
        if least > *FORMATS.end() {
            return Err(SignError::UnknownFormat(least));
        }
        let value = match format_of(signed) {
            format if format < least => None,
            1 => self.decode_1(name, signed, max_age, now),
            2 => self.decode_2(name, signed, max_age, now),
            _ => None,
        };
        Ok(value)
    }

    fn decode_2(
        &self,
        name: &str,
        signed: &[u8],
        max_age: Duration,
        now: Duration,
    ) -> Option<Vec<u8>> {
        let fields = Fields::of(signed)?;
        let keys = self.keys_of(number(fields.key_version)?)?;
        let begin = &signed[..signed.len() - fields.signature.len()];
        verify(&keys.sha256, begin, fields.signature)?;
        let time = seconds(fields.time)?;
        let is_now = !is_past(time, max_age, now) && time <= now.saturating_add(AHEAD);
        (fields.name == name.as_bytes() && is_now).then_some(())?;
        BASE64.decode(fields.value).ok()
    }

    fn decode_1(
        &self,
        name: &str,
        signed: &[u8],
        max_age: Duration,
        now: Duration,
    ) -> Option<Vec<u8>> {
        let mut parts = signed.split(|byte| *byte == b'|');
        let (value, time, signature) = (parts.next()?, parts.next()?, parts.next()?);
        let is_alone = parts.next().is_none() && self.key_version.is_none();
        // Without a mark between the parts that are signed, digits of the value could become those of the time.
        (is_alone && !time.starts_with(b"0")).then_some(())?;
        let keys = self.keys.get(&0)?;
        verify(
            &keys.sha1,
            &[name.as_bytes(), value, time].concat(),
            signature,
        )?;
        let time = seconds(time)?;
        let is_now = !is_past(time, max_age, now) && time <= now.saturating_add(AHEAD_1);
        is_now.then_some(())?;
        BASE64.decode(value).ok()
    }

    /// The keys that a value of this version was signed with. With one secret for all, the version does not count.
    fn keys_of(&self, version: u32) -> Option<&Keys> {
        match self.key_version {
            Some(_) => self.keys.get(&version),
            None => self.keys.get(&0),
        }
    }
}

/// Equal where the secrets are: then the same values are signed and accepted.
impl PartialEq for Signer {
    fn eq(&self, other: &Self) -> bool {
        let secrets = |signer: &Self| -> Vec<(u32, Secret)> {
            let keys = signer.keys.iter();
            keys.map(|(version, keys)| (*version, keys.secret.clone()))
                .collect()
        };
        self.key_version == other.key_version && secrets(self) == secrets(other)
    }
}

/// Never its secrets.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(…)")
    }
}

/// The version of the secret with which a value says that it was signed. `None`: it says none.
pub fn key_version(signed: &[u8]) -> Option<u32> {
    match format_of(signed) {
        1 => None,
        // As in Tornado, later formats are expected to say it in the same place.
        _ => number(Fields::after(signed.get(2..)?)?.key_version),
    }
}

/// The format of a signed value. The format 1 does not say its number: it begins with Base64.
fn format_of(signed: &[u8]) -> u32 {
    /// A larger number belongs to the Base64 of the format 1.
    const MOST: u32 = 999;
    let end = signed.iter().position(|byte| *byte == b'|');
    let digits = &signed[..end.unwrap_or(0)];
    match number(digits) {
        Some(format) if format <= MOST && !digits.starts_with(b"0") => format,
        _ => 1,
    }
}

/// The parts of a value in the format 2.
struct Fields<'a> {
    key_version: &'a [u8],
    time: &'a [u8],
    name: &'a [u8],
    value: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Fields<'a> {
    fn of(signed: &'a [u8]) -> Option<Self> {
        Self::after(signed.strip_prefix(b"2|")?)
    }

    /// The parts that follow the number of the format.
    fn after(rest: &'a [u8]) -> Option<Self> {
        let (key_version, rest) = field(rest)?;
        let (time, rest) = field(rest)?;
        let (name, rest) = field(rest)?;
        let (value, signature) = field(rest)?;
        Some(Self {
            key_version,
            time,
            name,
            value,
            signature,
        })
    }
}

/// A field with its length before it, and what follows.
fn field(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = text.iter().position(|byte| *byte == b':')?;
    let length = number(&text[..colon])? as usize;
    let rest = &text[colon + 1..];
    let (field, rest) = rest.split_at_checked(length)?;
    Some((field, rest.strip_prefix(b"|")?))
}

/// A number of decimal digits alone.
fn number(digits: &[u8]) -> Option<u32> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_number);
    text?.parse().ok()
}

fn seconds(digits: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(digits).ok()?;
    text.parse().ok().map(Duration::from_secs)
}

fn is_past(time: Duration, max_age: Duration, now: Duration) -> bool {
    time < now.saturating_sub(max_age)
}

/// Compares in constant time. The digits are those that are written: `A` is not `a`.
fn verify(key: &hmac::Key, signed: &[u8], signature: &[u8]) -> Option<()> {
    let mut tag = [0; 32];
    let tag = base16ct::lower::decode(signature, &mut tag).ok()?;
    hmac::verify(key, signed, tag).ok()
}

fn hex(tag: Option<hmac::Tag>) -> String {
    tag.map_or_else(String::new, |tag| {
        base16ct::lower::encode_string(tag.as_ref())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_700_000_000);
    const DAY: Duration = Duration::from_secs(24 * 3600);
    const MONTH: Duration = Duration::from_secs(31 * 24 * 3600);

    fn signer(secrets: &[(u32, &str)], key_version: Option<u32>) -> Signer {
        let secrets = secrets.iter();
        let secrets = secrets.map(|(version, secret)| (*version, Secret::new(*secret)));
        Signer::new(secrets.collect(), key_version)
    }

    fn read(signer: &Signer, name: &str, signed: &str) -> Option<Vec<u8>> {
        let read = signer.decode(name, signed.as_bytes(), MONTH, None, NOW);
        read.unwrap()
    }

    #[test]
    fn the_bytes_are_those_of_tornado() {
        let signer = signer(&[(0, "SECRET-A")], None);
        let two = "2|1:0|10:1700000000|3:uid|4:NDI=|\
                   bd4562a8281229d80618de062eed37ad2271714cfd412dabae48563721a950c1";
        assert_eq!(signer.create("uid", b"42", None, NOW).unwrap(), two);
        assert_eq!(read(&signer, "uid", two).unwrap(), b"42");
        // hmac.new(b"SECRET-A", b"uid" + b"NDI=" + b"1700000000", "sha1")
        let one = signer.create("uid", b"42", Some(1), NOW).unwrap();
        assert!(one.starts_with("NDI=|1700000000|"), "{one}");
        assert_eq!(read(&signer, "uid", &one).unwrap(), b"42");
        let is_old = signer.decode("uid", one.as_bytes(), MONTH, Some(2), NOW);
        assert_eq!(is_old.unwrap(), None);
    }

    #[test]
    fn a_value_with_any_bit_or_byte_changed_is_refused() {
        let signer = signer(&[(0, "SECRET-A")], None);
        for format in FORMATS {
            let signed = signer
                .create("uid", b"some value", Some(format), NOW)
                .unwrap();
            for at in 0..signed.len() {
                for bit in 0..8 {
                    let mut bytes = signed.clone().into_bytes();
                    bytes[at] ^= 1 << bit;
                    let read = signer.decode("uid", &bytes, MONTH, None, NOW);
                    assert_eq!(read.unwrap(), None, "bit {bit} of byte {at} of {signed}");
                }
                assert_eq!(read(&signer, "uid", &signed[..at]), None, "{at} bytes");
                assert_eq!(
                    read(&signer, "uid", &signed[at + 1..]),
                    None,
                    "all from {at}"
                );
            }
            assert_eq!(read(&signer, "uid", &(signed.clone() + "0")), None);
            assert_eq!(read(&signer, "uie", &signed), None);
        }
    }

    #[test]
    fn a_value_is_for_its_time() {
        let signer = signer(&[(0, "SECRET-A")], None);
        let at = |time: Duration| {
            let signed = signer.create("a", b"1", None, time).unwrap();
            read(&signer, "a", &signed).is_some()
        };
        assert!(at(NOW) && at(NOW + AHEAD) && at(NOW - MONTH));
        assert!(!at(NOW + AHEAD + Duration::from_secs(1)));
        assert!(!at(NOW - MONTH - Duration::from_secs(1)));
        let signed = signer.create("a", b"1", None, NOW - DAY).unwrap();
        let within = |days: u32| {
            let read = signer.decode("a", signed.as_bytes(), DAY * days, None, NOW);
            read.unwrap().is_some()
        };
        assert!(within(1) && !within(0));
    }

    #[test]
    fn each_version_of_a_secret_verifies_and_one_signs() {
        let old = signer(&[(1, "old")], Some(1));
        let both = signer(&[(1, "old"), (2, "new")], Some(2));
        let new = signer(&[(2, "new")], Some(2));
        let by_old = old.create("a", b"1", None, NOW).unwrap();
        let by_both = both.create("a", b"1", None, NOW).unwrap();
        assert_eq!(key_version(by_old.as_bytes()), Some(1));
        assert_eq!(key_version(by_both.as_bytes()), Some(2));
        assert!(read(&both, "a", &by_old).is_some());
        assert!(read(&new, "a", &by_both).is_some());
        assert!(read(&new, "a", &by_old).is_none(), "its secret is gone");
        let error = both.create("a", b"1", Some(1), NOW).unwrap_err();
        assert_eq!(error, SignError::FormatWithoutVersions);
        assert!(both.create("a", b"1", Some(3), NOW).is_err());
        assert!(both.decode("a", b"x", MONTH, Some(3), NOW).is_err());
    }

    #[test]
    fn nothing_of_a_secret_is_shown() {
        let signer = signer(&[(0, "SECRET-A")], None);
        assert!(!format!("{signer:?}").contains("SECRET"));
    }
}
