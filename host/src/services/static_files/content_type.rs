//! The `Content-Type` of a file, by its name: Tornado's `get_content_type`. Never looks at its bytes.

use http::HeaderValue;

const UNKNOWN: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// RFC 6713.
const GZIP: HeaderValue = HeaderValue::from_static("application/gzip");

/// Where Python itself, without the files of a system, says something else than the crate; in the order of the ends. Not of
/// JavaScript, whose type RFC 9239 says.
const PYTHON: [(&str, &str); 34] = [
    ("3g2", "audio/3gpp2"),
    ("3gp", "audio/3gpp"),
    ("3gpp", "audio/3gpp"),
    ("3gpp2", "audio/3gpp2"),
    ("aif", "audio/x-aiff"),
    ("aifc", "audio/x-aiff"),
    ("aiff", "audio/x-aiff"),
    ("ass", "audio/aac"),
    ("bat", "text/plain"),
    ("cdf", "application/x-netcdf"),
    ("dll", "application/octet-stream"),
    ("h5", "application/x-hdf5"),
    ("ico", "image/vnd.microsoft.icon"),
    ("ksh", "text/plain"),
    ("loas", "audio/aac"),
    ("m3u", "application/vnd.apple.mpegurl"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("mif", "application/x-mif"),
    ("obj", "application/octet-stream"),
    ("opus", "audio/opus"),
    ("pl", "text/plain"),
    ("py", "text/x-python"),
    ("pyc", "application/x-python-code"),
    ("pyo", "application/x-python-code"),
    ("ram", "application/x-pn-realaudio"),
    ("rdf", "application/xml"),
    ("sgm", "text/x-sgml"),
    ("sgml", "text/x-sgml"),
    ("srt", "text/plain"),
    ("wav", "audio/x-wav"),
    ("wsdl", "application/xml"),
    ("xlb", "application/vnd.ms-excel"),
    ("xpdl", "application/xml"),
    ("xsl", "application/xml"),
];

/// The type of a file of this name.
pub fn of(path: &str) -> HeaderValue {
    let name = path.rsplit('/').next().unwrap_or(path);
    // A dot at the beginning makes no end.
    let Some((_, end)) = name.trim_start_matches('.').rsplit_once('.') else {
        return UNKNOWN;
    };
    let end = end.to_ascii_lowercase();
    match &*end {
        "gz" | "tgz" | "taz" | "tz" | "svgz" => return GZIP,
        "bz2" | "xz" | "br" | "z" | "zst" | "tbz2" | "txz" => return UNKNOWN,
        _ => {}
    }
    if let Ok(found) = PYTHON.binary_search_by_key(&&*end, |(end, _)| end) {
        return HeaderValue::from_static(PYTHON[found].1);
    }
    let guessed = mime_guess::from_ext(&end).first_raw();
    guessed.map_or(UNKNOWN, HeaderValue::from_static)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_types_that_tornado_gives_them() {
        for (name, is) in [
            ("a.css", "text/css"),
            ("a/b.HTML", "text/html"),
            ("a.js", "text/javascript"),
            ("favicon.ico", "image/vnd.microsoft.icon"),
            ("a.tar.gz", "application/gzip"),
            ("a.css.br", "application/octet-stream"),
            ("a.woff2", "font/woff2"),
            ("a.wasm", "application/wasm"),
            ("a", "application/octet-stream"),
            (".css", "application/octet-stream"),
            ("a.", "application/octet-stream"),
            ("a.css/b", "application/octet-stream"),
        ] {
            assert_eq!(of(name), is, "{name}");
        }
        assert!(PYTHON.is_sorted());
    }
}
