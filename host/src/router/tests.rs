//! The router against what Tornado 6.6.1 answers to the same patterns and paths.

use super::*;

fn routes(patterns: &[&str]) -> Router<usize> {
    let route = |(target, text): (usize, &&str)| Route {
        pattern: Pattern::new(text).unwrap(),
        host: None,
        name: Some(format!("route{target}")),
        target,
    };
    Router::new(patterns.iter().enumerate().map(route).collect()).unwrap()
}

fn target<T: Copy>(router: &Router<T>, host: &str, path: &str) -> Option<T> {
    match router.find(host, path) {
        Found::Route(route, _) | Found::NotUtf8(route) => Some(route.target),
        Found::Nothing => None,
    }
}

fn arguments(pattern: &str, path: &str) -> Arguments {
    match routes(&[pattern]).find("", path) {
        Found::Route(_, arguments) => arguments,
        other => panic!("{pattern} on {path}: {other:?}"),
    }
}

fn positional(arguments: &[Option<&str>]) -> Arguments {
    Arguments::Positional(arguments.iter().map(|a| a.map(str::to_owned)).collect())
}

fn named(arguments: &[(&str, Option<&str>)]) -> Arguments {
    let owned = |&(name, value): &(&str, Option<&str>)| (name.to_owned(), value.map(str::to_owned));
    Arguments::Named(arguments.iter().map(owned).collect())
}

#[test]
fn patterns_are_anchored_at_both_ends() {
    let router = routes(&["/story/([0-9]+)", "^/plain$", "/a|/b", "/line"]);
    assert_eq!(target(&router, "", "/story/1"), Some(0));
    assert_eq!(target(&router, "", "/plain"), Some(1));
    assert_eq!(target(&router, "", "/b"), Some(2));
    for path in [
        "/story/1x",
        "x/story/1",
        "/plain/",
        "/ab",
        "",
        "/line\n",
        "/",
    ] {
        assert_eq!(target(&router, "", path), None, "{path:?}");
    }
}

#[test]
fn the_first_match_wins_among_literals_and_expressions() {
    let router = routes(&["/a/b", "/a/(.*)", "/a/c", "/(.*)/d", "/a/b", "(?:)/x", ".*"]);
    for (path, expected) in [
        ("/a/b", 0),
        ("/a/c", 1),
        ("/a/d", 1),
        ("/b/d", 3),
        ("/x", 5),
        ("*", 6),
        ("/ä", 6),
    ] {
        assert_eq!(target(&router, "", path), Some(expected), "{path}");
    }
}

#[test]
fn arguments_are_positional_unless_a_group_is_named() {
    assert_eq!(arguments("/x", "/x"), positional(&[]));
    assert_eq!(arguments("/(.*)", "/"), positional(&[Some("")]));
    assert_eq!(arguments("/(a)?(b)", "/b"), positional(&[None, Some("b")]));
    let both = named(&[("x", Some("a")), ("y", None)]);
    assert_eq!(arguments("/(?P<x>.)/(?<y>.)?", "/a/"), both);
    let only_named = named(&[("x", Some("a"))]);
    assert_eq!(arguments("/(?P<x>.)(.)", "/ab"), only_named);
    assert_eq!(arguments("/(?P<x>.)(.*)", "/a%ff"), only_named);
}

#[test]
fn paths_match_as_sent_and_arguments_are_decoded() {
    let decoded = positional(&[Some("a b+c/d%zz%")]);
    assert_eq!(arguments("/(.*)", "/a%20b+c%2Fd%zz%"), decoded);
    assert_eq!(arguments("/(.*)", "/%C3%A9"), positional(&[Some("é")]));
    let router = routes(&["/a b", "/(.*)/(.*)"]);
    assert_eq!(router.find("", "/a%20b"), Found::Nothing);
    assert!(matches!(router.find("", "/a/%ff"), Found::NotUtf8(route) if route.target == 1));
}

#[test]
fn a_host_pattern_takes_names_in_any_case() {
    let route = |host: Option<&str>, path: &str, target| Route {
        pattern: Pattern::new(path).unwrap(),
        host: host.map(|host| Pattern::host(host).unwrap()),
        name: None,
        target,
    };
    let router = Router::new(vec![
        route(Some(r"example\.com"), "/", 'a'),
        route(Some(r".*\.example\.com"), "/", 'b'),
        route(Some(r"example\.com"), "/(.*)", 'c'),
        route(None, "/", 'd'),
    ])
    .unwrap();
    for (host, path, expected) in [
        ("Example.COM", "/", Some('a')),
        ("www.example.com", "/", Some('b')),
        ("example.com", "/x", Some('c')),
        ("example.com.evil", "/", Some('d')),
        ("", "/", Some('d')),
        ("other", "/x", None),
    ] {
        assert_eq!(target(&router, host, path), expected, "{host} {path}");
    }
}

#[test]
fn a_host_name_is_cut_before_its_port() {
    for (authority, host) in [
        ("example.com:8888", "example.com"),
        ("example.com", "example.com"),
        ("[::1]:80", "[::1]"),
        ("[::1]", "[::1]"),
        ("a:", "a:"),
        (":80", ":80"),
    ] {
        assert_eq!(host_name(authority), host);
    }
}

#[test]
fn urls_are_reversed_as_tornado_does() {
    let reverse = |pattern: &str, arguments: &[&str]| {
        routes(&[pattern])
            .reverse("route0", arguments)
            .map_err(|error| error.to_string())
    };
    for (pattern, arguments, path) in [
        ("/story/([0-9]+)", &["1"][..], "/story/1"),
        (r"^/favicon\.ico$", &[], "/favicon.ico"),
        (
            "/a/(.*)/(.*)",
            &["x y/z?&", "é~_.-+%"],
            "/a/x%20y/z%3F%26/%C3%A9~_.-%2B%25",
        ),
        (r"/(?P<n>\w+)/x", &["1"], "/1/x"),
        ("/foo/?", &[], "/foo/?"),
        (r"/a\$", &[], "/a$"),
        ("/100%/(.*)", &["a"], "/100%/a"),
        ("", &[], ""),
    ] {
        assert_eq!(
            reverse(pattern, arguments),
            Ok(path.to_owned()),
            "{pattern}"
        );
    }
    for pattern in [
        r"/\d+",
        "/(?:a|b)",
        "/((a)b)",
        r"/a\(b",
        "/([^)]+)x",
        "/[(]",
    ] {
        let error = reverse(pattern, &[]).unwrap_err();
        assert_eq!(error, format!("the pattern {pattern:?} can't be reversed"));
    }
    let error = reverse("/(.*)", &[]).unwrap_err();
    assert_eq!(error, "the route takes 1 arguments, not 0");
    let unknown = routes(&[]).reverse("nobody", &[""; 0]);
    assert_eq!(unknown, Err(ReverseError::UnknownName("nobody".into())));
}

#[test]
fn a_bad_pattern_says_where_and_how_else() {
    let error = |text| Pattern::new(text).unwrap_err();
    let look_around = error("/(?!x).*");
    assert_eq!(look_around.offset, Some(1));
    assert!(look_around.message.contains("look-around"));
    assert!(look_around.hint.unwrap().contains("before this one"));
    assert!(error(r"/(.)\1").hint.unwrap().contains("compare the two"));
    assert!(
        error("/(?P<a>.)(?P=a)")
            .hint
            .unwrap()
            .contains("compare the two")
    );
    assert_eq!(error("/a)|(b").offset, Some(2));
    assert!(error("/(?:a{1000}){1000}").message.contains("larger than"));
    assert!(error("(?x)/a # b").hint.unwrap().contains("line break"));
}

#[test]
fn duplicate_claims_are_told_apart_by_host() {
    let path = Pattern::new("/").unwrap();
    let host = Pattern::host("a").unwrap();
    let claims = [
        (None, &path),
        (Some(&host), &path),
        (None, &path),
        (None, &path),
    ];
    assert_eq!(duplicate_claims(claims), [(0, 2), (0, 3)]);
}

#[test]
fn ten_thousand_routes_keep_their_order() {
    const ROUTES: usize = 10_000;
    let texts: Vec<String> = (0..ROUTES)
        .map(|index| match index % 4 {
            0 => format!("/literal/{index}"),
            1 => format!("/item{index}/([0-9]+)"),
            // Each of these also takes the path of the one before it.
            2 => format!("/item{}/(.*)", index - 1),
            _ => format!("/([a-z]+)/same/{}", index / 400),
        })
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let router = routes(&texts);
    let mut first_same = HashMap::new();
    for index in 0..ROUTES {
        let (path, expected) = match index % 4 {
            0 => (format!("/literal/{index}"), index),
            1 => (format!("/item{index}/7"), index),
            2 => (format!("/item{}/x", index - 1), index),
            _ => {
                let number = index / 400;
                let first = *first_same.entry(number).or_insert(index);
                (format!("/abc/same/{number}"), first)
            }
        };
        assert_eq!(target(&router, "", &path), Some(expected), "{path}");
    }
}
