//! Tests of the router against the answers of Tornado 6.6.1 for the same patterns and paths.

use regex::Regex;

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
    let router = routes(&[
        "/story/([0-9]+)",
        "^/plain$",
        "/a|/b",
        "/line",
        "(?x)/x|/y # or",
    ]);
    assert_eq!(target(&router, "", "/story/1"), Some(0));
    assert_eq!(target(&router, "", "/plain"), Some(1));
    assert_eq!(target(&router, "", "/b"), Some(2));
    assert_eq!(target(&router, "", "/y"), Some(4));
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

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % end
    }

    fn one_of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.below(texts.len())]
    }

    /// A path of some of these texts, where `#` is a number.
    fn path(&mut self, texts: &[&str], numbers: usize) -> String {
        let mut path = "/".to_owned();
        for _ in 0..=self.below(4) {
            let number = self.below(numbers).to_string();
            path += &self.one_of(texts).replace('#', &number);
        }
        path
    }
}

const PATTERN_PARTS: &[&str] = &[
    "a",
    "ab",
    "b/",
    "item#",
    "item#/",
    "/",
    "é",
    "([^/]+)",
    "([^/]*)/",
    r"(\d+)",
    r"(\w+)/",
    "(.*)",
    "(a|ab|é)",
    "[a-c]{2}",
    "(?:x/)?",
    "/?",
    "(?i:ab)",
    "(b+)",
    "a?",
    ".",
    "[^a]",
    "(?:ab){1,3}",
    r"a\b",
    r"\B",
    "$",
    "(?:)",
    r"(\p{Greek}+)",
    "(?:a{2}|b)*",
    "(a{1,70})",
    "(?:a|b|cd|é){3}",
    "(item#|thing#)",
    "(?s:.)+",
    r"(?m:^a)",
    r"[^\s\S]?",
    "(?:a|bb|[0-9]+/|/x)(?:b|cc|aa|z)(?:|a|bb)",
];

const PATH_PARTS: &[&str] = &[
    "a",
    "ab",
    "b/",
    "b",
    "item#",
    "item#/",
    "/",
    "é",
    "12",
    "x/",
    "AB",
    "aa",
    "abab",
    "α",
    "-",
    "thing#",
    "cd",
    "\n",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

const HOST_PATTERNS: &[&str] = &[
    r"a\.com",
    r"(www\.)?a\.com",
    r".*\.com",
    r"[ab]\.com",
    r"127\.0\.0\.1",
    ".*",
    r"k.*",
    r"b\.com|x\.com",
];

const HOSTS: &[&str] = &[
    "a.com",
    "A.Com",
    "www.a.com",
    "b.com",
    "x.com",
    "127.0.0.1",
    "",
    "\u{212A}.com",
];

/// Compares tables of generated routes with all expressions, tried in turn.
fn agrees_with_expressions_in_turn(seed: u64, tables: usize, size: usize, paths: usize) {
    let mut numbers = Numbers(seed);
    let (mut found, mut late) = (0, 0);
    for _ in 0..tables {
        let texts: Vec<(Option<&str>, String)> = (0..size)
            .map(|_| {
                let host = (numbers.below(3) == 0).then(|| numbers.one_of(HOST_PATTERNS));
                let parts = match numbers.below(4) {
                    0 => &PATTERN_PARTS[..7],
                    _ => PATTERN_PARTS,
                };
                (host, numbers.path(parts, size))
            })
            .collect();
        let expressions: Vec<(Option<Regex>, Regex)> = texts
            .iter()
            .map(|(host, path)| {
                let host = host.map(|host| Regex::new(&format!(r"\A(?i:{host})\z")).unwrap());
                (host, Regex::new(&format!(r"\A(?:{path})\z")).unwrap())
            })
            .collect();
        let route = |(target, (host, path)): (usize, &(Option<&str>, String))| Route {
            pattern: Pattern::new(path).unwrap(),
            host: host.map(|host| Pattern::host(host).unwrap()),
            name: None,
            target,
        };
        let router = Router::new(texts.iter().enumerate().map(route).collect()).unwrap();

        for _ in 0..paths {
            let host = numbers.one_of(HOSTS);
            let path = numbers.path(PATH_PARTS, size);
            let expected = expressions.iter().position(|(of_host, of_path)| {
                of_path.is_match(&path)
                    && of_host
                        .as_ref()
                        .is_none_or(|of_host| of_host.is_match(host))
            });
            let Some(index) = expected else {
                assert_eq!(router.find(host, &path), Found::Nothing, "{host} {path}");
                continue;
            };
            let captures = expressions[index].1.captures(&path).unwrap();
            let groups = captures.iter().skip(1);
            let groups = groups.map(|group| group.map(|group| group.as_str().to_owned()));
            let arguments = Arguments::Positional(groups.collect());
            let route = &router.routes()[index];
            let expected = Found::Route(route, arguments);
            assert_eq!(router.find(host, &path), expected, "{host} {path}");
            found += 1;
            late += usize::from(index > 10);
        }
    }
    // Otherwise the test would show little.
    assert!(found * 4 > tables * paths && late > 0, "{found}, {late}");
}

#[test]
fn small_tables_agree_with_expressions_in_turn() {
    agrees_with_expressions_in_turn(1, 150, 20, 100);
}

#[test]
fn large_tables_agree_with_expressions_in_turn() {
    agrees_with_expressions_in_turn(2, 2, 1_500, 1_500);
}

#[test]
fn of_a_thousand_routes_few_are_tried() {
    const ROUTES: usize = 1_000;
    for (host, pattern, on, path) in [
        ("", "/item#/([0-9]+)", "", "/item#/7"),
        ("", "/item#/?", "", "/item#/"),
        ("", "/([^/]+)/item#", "", "/abc/item#"),
        ("", r"/(\w+)/x/(.*)/item#/(.*)", "", "/abc/x/a/item#/b"),
        ("", "/(item#|thing#)", "", "/thing#"),
        (r"t#\.example\.com", "/(.*)", "T#.example.com", "/abc"),
        (r"t#\.example\.com", "/abc", "t#.example.com", "/abc"),
    ] {
        let routes = (0..ROUTES).map(|target| {
            let text = |text: &str| text.replace('#', &target.to_string());
            Route {
                pattern: Pattern::new(&text(pattern)).unwrap(),
                host: (!host.is_empty()).then(|| Pattern::host(&text(host)).unwrap()),
                name: None,
                target,
            }
        });
        let router = Router::new(routes.collect()).unwrap();
        for index in [0, ROUTES / 2, ROUTES - 1] {
            let text = |text: &str| text.replace('#', &index.to_string());
            let (on, path) = (text(on), text(path));
            assert_eq!(*router.table.candidates(&on, &path), [index], "{on} {path}");
            assert_eq!(target(&router, &on, &path), Some(index), "{on} {path}");
        }
    }
}

#[test]
fn a_table_that_is_too_large_is_refused() {
    let routes = (0..110).map(|target| Route {
        pattern: Pattern::new(&format!("/{target}/{}(.)", "x".repeat(20_000))).unwrap(),
        host: None,
        name: None,
        target,
    });
    let error = Router::new(routes.collect()).unwrap_err();
    assert!(error.message.contains("all patterns together"), "{error}");
    assert!(error.hint.unwrap().contains("fewer routes"));
}
