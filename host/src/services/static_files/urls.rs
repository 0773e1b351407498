//! URLs of static files, with the version of the file that is served: Tornado's `make_static_url`. Reads nothing.

use std::sync::Arc;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::Tree;

/// What can't stand in the path of a URL.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The URLs of the files in `static_path`.
pub struct StaticUrls {
    /// `static_url_prefix`.
    pub prefix: Box<str>,
    pub tree: Arc<Tree>,
}

/// Why there is no URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// The path leads out of `static_path`.
    Outside,
}

impl StaticUrls {
    /// The URL of a file. Without a version where it is not wanted, where there is no such file, or where the file is too
    /// large for one.
    pub fn url(&self, path: &str, include_version: bool) -> Result<String, UrlError> {
        if leads_out(path) {
            return Err(UrlError::Outside);
        }
        let version = self.tree.version(path).filter(|_| include_version);
        let path = utf8_percent_encode(path, ENCODED);
        Ok(match version {
            Some(version) => format!("{}{path}?v={version}", self.prefix),
            None => format!("{}{path}", self.prefix),
        })
    }
}

/// Whether a path, as it is written, leads out of its folder.
fn leads_out(path: &str) -> bool {
    let mut depth = 0_usize;
    if path.starts_with('/') {
        return true;
    }
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return true,
            },
            _ => depth += 1,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_out_where_it_goes_above_its_folder() {
        for path in ["/a", "..", "../a", "a/../../b", "./..", "//"] {
            assert!(leads_out(path), "{path}");
        }
        for path in ["", "a", "a/b", "a/../b", "a/./b", "a//b", "..a", ".a"] {
            assert!(!leads_out(path), "{path}");
        }
    }
}
