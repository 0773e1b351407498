"""Odd targets, hosts, versions and connections in Tornado. Prints the answers; `renew.py` keeps them."""

import record
import tornado.web


class Target(tornado.web.RequestHandler):
    """Says all that the first lines of a request tell."""

    def get(self, *args):
        request = self.request
        said = [request.method, request.uri, request.path, request.query, request.version, request.host]
        record.show(self, [*said, request.protocol, request.full_url(), args])

    head = post = get


class Headers(tornado.web.RequestHandler):
    """Says the values of `X-A`, as one."""

    def get(self):
        record.show(self, self.request.headers.get("X-A"))


class Length(tornado.web.RequestHandler):
    """Says how long the body is."""

    def post(self):
        record.show(self, [self.request.version, len(self.request.body)])

    get = post


app = tornado.web.Application(
    [
        (r"/at/(.*)", Target),
        (r"/at", Target),
        (r"/(a/[^/]*)/(.*)", Target),
        (r"/headers", Headers),
        (r"/length", Length),
    ]
)


def get(target, **options):
    return record.request("GET", target, **options)


def kept(method, target, **options):
    return record.request(method, target, ends=None, **options)


requests = [
    # Targets.
    *(
        get(target)
        for target in (
            "/at",
            "/at/",
            "/at?",
            "/at??",
            "/at?a?b",
            "/at?a/b//c",
            "/at?a=1&b=%20&c=%zz",
            "/at/?a",
            "//at",
            "/at//",
            "/at//a",
            "///",
            "//example.org/at",
            "/at/.",
            "/at/..",
            "/at/../at",
            "/at/./a",
            "/./at",
            "/at/%2e%2e/a",
            "/at/%2E",
            "/at/a%2Fb",
            "/at/a%2fb/c",
            "/at/%5c..%5c",
            "/at/a%3Fb",
            "/at/a%23b",
            "/at/a%3Bb",
            "/at;a=1",
            "/at/;a=1",
            "/at/a;b=c;d",
            "/at/a:b",
            "/at/a@b",
            "/at/a=b&c",
            "/at/a+b",
            "/at/~a!$'()*,",
            "/at/%7Ea",
            "/at/a%20b",
            "/at/a%00b",
            "/at/a%0d%0ab",
            "/at/%E2%82%AC",
            "/at/%e2%82%ac",
            "/at/%E2%82",
            "/at/%FF",
            "/at/%",
            "/at/%2",
            "/at/%zz",
            "/at/%25",
            "/at/%2525",
            "/at/[a]",
            "/at/{a}",
            "/at/a|b",
            "/at/a^b",
            "/at/a\\b",
            "/at/a'b",
            '/at/"a"',
            "/at?a`b",
            "/at?{a}|b^c[d]\\e",
            "/%61t",
            "/a%74/b",
            "/AT",
            "/at/" + "a" * 2000,
            "/a/b/c/d",
            "/a//c",
            "/a/b%2Fc/d",
            "/a/%2F/",
            "/*",
            "/at/*",
        )
    ),
    record.request("OPTIONS", "/at"),
    # Hosts.
    *(
        get("/at", host=host)
        for host in (
            "example.com:80",
            "EXAMPLE.com",
            "example.com.",
            "127.0.0.1:8888",
            "[::1]",
            "[::1]:8888",
            "a_b",
            "a%20b",
            "a;b",
            None,
            "example.com:",
            "a,b",
            "user@example.com",
            "example.com/at",
            "a b",
        )
    ),
    # Headers.
    *(
        get("/headers", headers=headers)
        for headers in (
            [],
            ["X-A: 1"],
            ["x-a: 1"],
            ["X-A:1"],
            ["X-A:  1 2  "],
            ["X-A:\t1\t"],
            ["X-A:"],
            ["X-A: a:b; c=\"d\""],
            ["X-A: 1\t2"],
            ["X-A: caf\xe9"],
            ["X_A: 1"],
            ["X@A: 1"],
            ["X-A : 1"],
            [" X-A: 1"],
            ["X-A"],
            [": 1"],
            ["X-A: 1\x002"],
            ["X-A: 1\x012"],
            ["X-A: 1\x7f2"],
            ["X-A: 1\r\n 2"],
            ["X-A: " + "1" * 3000],
        )
    ),
    # Versions, and connections that stay.
    get("/at", version="HTTP/1.0"),
    get("/at", version="HTTP/1.0", host=None),
    get("/at", version="HTTP/1.0", ends=None),
    get("/at", version="HTTP/1.0", ends="Connection: close"),
    get("/at", version="HTTP/2.0"),
    get("/at", version="HTTP/0.9"),
    get("/at", version="HTTP/1"),
    get("/at", version="http/1.1"),
    get("/at", version="HTTP/1.1 "),
    get(""),
    record.request("POST", "/length", version="HTTP/1.0", body="abc"),
    [get("/at", version="HTTP/1.0", ends="Connection: keep-alive"), get("/at", version="HTTP/1.0", ends=None)],
    [get("/at", version="HTTP/1.0", ends="Connection: Keep-Alive"), get("/at")],
    [get("/at", ends="Connection: keep-alive"), get("/at")],
    [get("/at", ends="Connection: Upgrade"), get("/at")],
    [kept("GET", "/at"), get("/at", ends="Connection: Close")],
    [kept("GET", "/at"), kept("GET", "/nowhere"), kept("HEAD", "/at"), get("/at/4")],
    [kept("POST", "/length", body="abc"), kept("POST", "/length", body=""), get("/at")],
    [kept("GET", "/length", body="GET /at HTTP/1.1\r\nHost: a\r\n\r\n"), get("/at")],
    [kept("POST", "/at", body="not read"), get("/at")],
    [kept("POST", "/nowhere", body="not read"), get("/at")],
    [kept("PUT", "/at", body="not read"), get("/at")],
    [kept("POST", "/length", headers=["Transfer-Encoding: chunked"], body=record.chunked("abc")), get("/at")],
    [kept("GET", "/at"), "\r\n" + get("/at")],
    [kept("GET", "/at/%d" % number) for number in range(9)] + [get("/at/last")],
    [kept("HEAD", "/at"), kept("HEAD", "/nowhere"), record.request("HEAD", "/length")],
    # Lengths.
    *(
        record.request("POST", "/length", headers=headers, body=body)
        for headers, body in (
            (["Content-Length: 3"], "abc"),
            (["Content-Length: 03"], "abc"),
            (["Content-Length: 3", "Content-Length: 3"], "abc"),
            (["Content-Length: -1"], ""),
            (["Content-Length: +3"], ""),
            (["Content-Length: 3 "], "abc"),
            (["Content-Length: 0x3"], ""),
            (["Content-Length: 1_0"], ""),
            (["Content-Length:"], ""),
            (["Content-Length: 1, 2"], ""),
            (["Transfer-Encoding: gzip"], ""),
            (["Transfer-Encoding: identity"], ""),
            (["Transfer-Encoding: chunked"], "3\r\nabc\r\n00\r\n\r\n"),
            (["Transfer-Encoding: chunked"], "a\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n"),
            (["Transfer-Encoding: chunked"], "x\r\n"),
            (["Transfer-Encoding: chunked"], "-1\r\n"),
            (["Transfer-Encoding: chunked"], "0x3\r\n"),
            (["Transfer-Encoding: ,chunked"], ""),
        )
    ),
]

record.run(app, requests)
