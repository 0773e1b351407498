"""Routing in Tornado, asked what `tests/oracle.rs` asks of ours. Prints the answers; `renew.py` keeps them."""

import json

import record
import tornado.routing
import tornado.web


class Show(tornado.web.RequestHandler):
    def initialize(self, route):
        self.route = route

    def get(self, *args, **kwargs):
        self.write(json.dumps([self.route, args, sorted(kwargs.items())], separators=(",", ":"), ensure_ascii=False))

    def post(self, *args, **kwargs):
        self.get(*args, **kwargs)


class AddSlash(tornado.web.RequestHandler):
    @tornado.web.addslash
    def get(self):
        self.write("with a slash")

    @tornado.web.addslash
    def head(self):
        pass

    @tornado.web.addslash
    def post(self):
        self.write("posted with a slash")


class RemoveSlash(tornado.web.RequestHandler):
    @tornado.web.removeslash
    def get(self):
        self.write("without a slash")

    @tornado.web.removeslash
    def post(self):
        self.write("posted without a slash")


class Reverse(tornado.web.RequestHandler):
    def get(self):
        name = self.get_argument("name")
        arguments = self.get_arguments("a", strip=False)
        self.write(self.reverse_url(name, *arguments))


class Missing(tornado.web.RequestHandler):
    def initialize(self, word):
        self.word = word

    def prepare(self):
        self.set_status(404)

    def get(self):
        self.write("%s at %s" % (self.word, self.request.path))


app = tornado.web.Application(
    [
        (r"/", Show, {"route": "root"}),
        tornado.web.url(r"/words/([^/]+)(?:/([^/]+))?", Show, {"route": "words"}, name="words"),
        tornado.web.url(r"/named/(?P<first>[^/]+)/(?P<second>.*)", Show, {"route": "named"}, name="named"),
        (r"/first/.*", Show, {"route": "first"}),
        (r"/first/second", Show, {"route": "second"}),
        (r"/with/?", AddSlash),
        (r"/without/?", RemoveSlash),
        (r"/reverse", Reverse),
        (r"/app", tornado.web.RedirectHandler, {"url": "http://www.google.com/mobile"}),
        (r"/for-now", tornado.web.RedirectHandler, {"url": "/with?a=1", "permanent": False}),
        (r"/pictures/(.*)", tornado.web.RedirectHandler, {"url": "/photos/{0}"}),
        (r"/(.*?)/(.*?)/swap", tornado.web.RedirectHandler, {"url": "/{1}/{0}"}),
        (r"/gone", tornado.web.ErrorHandler, {"status_code": 410}),
        tornado.web.url(r"/dots/a\.b", Show, {"route": "dots"}, name="dots"),
    ],
    default_host="www.example.com",
    default_handler_class=Missing,
    default_handler_args={"word": "nothing"},
)
app.add_handlers(
    r"(www\.)?example\.com",
    [
        (
            tornado.routing.PathMatches(r"/shop/.*"),
            [
                tornado.web.url(r"/shop/item/([0-9]+)", Show, {"route": "item"}, name="item"),
                (r"/shop/(?P<kind>[a-z]+)/(?P<page>[0-9]*)", Show, {"route": "kind"}),
            ],
        ),
    ],
)
app.add_handlers(
    r"api\.example\.com",
    [tornado.web.url(r"/(.*)", Show, {"route": "api"}, name="api")],
)

EXAMPLE, API, OTHER = "example.com", "api.example.com", "other.org"

requests = [
    # Hosts.
    *(
        record.request("GET", path, host)
        for host in (
            EXAMPLE,
            "www.example.com",
            "WWW.Example.COM:8888",
            "wwwxexample.com",
            API,
            OTHER,
            "127.0.0.1",
            "[::1]:80",
        )
        for path in ("/shop/item/7", "/shop/books/", "/shop/books/12", "/", "/shop/Item/7")
    ),
    record.request("GET", "/shop/item/7", OTHER, ["X-Real-Ip: 127.0.0.1"]),
    record.request("GET", "/", API + "."),
    # Arguments.
    *(
        record.request("GET", path, OTHER)
        for path in (
            "/words/one",
            "/words/one/two",
            "/words/one/",
            "/words/",
            "/words/a%20b/c%2Fd",
            "/words/%E2%82%AC",
            "/words/%FF",
            "/words/100%",
            "/words/%zz",
            "/words/a+b",
            "/words/a;b=c",
            "/words/%00",
            "/words/..%2f..",
            "/words//two",
            "/words/one?two=3",
            "/words/one?/two",
            "/words/%3F",
            "/words/one%23two",
            "/named/one/two",
            "/named/one/",
            "/named/one",
            "/named/one/two/three",
            "/named/%C3%A9/%25",
            "/first/second",
            "/first/",
            "/first",
            "//",
            "/./words/one",
            "/WORDS/one",
        )
    ),
    # Methods.
    *(
        record.request(method, path, OTHER)
        for method in ("HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
        for path in ("/", "/app", "/gone", "/nowhere")
    ),
    # Slashes.
    *(
        record.request(method, path, OTHER)
        for method in ("GET", "HEAD", "POST")
        for path in ("/with", "/with/", "/with?a=1&b=%20", "/without", "/without/", "/without/?x", "/without//")
    ),
    # Builtins.
    *(
        record.request("GET", path, OTHER)
        for path in (
            "/app",
            "/app?a=1",
            "/app?",
            "/for-now",
            "/for-now?b=2",
            "/pictures/a.png",
            "/pictures/",
            "/pictures/a/%2F?x=1&y=2",
            "/one/two/swap",
            "/one/two%2Fthree/swap?q=",
            "/gone",
            "/gone?x",
            "/nowhere",
            "/nowhere/else?x=1",
        )
    ),
    # Reversed.
    *(
        record.request("GET", "/reverse?" + query, OTHER)
        for query in (
            "name=item&a=7",
            "name=item&a=x",
            "name=words&a=one",
            "name=named&a=one&a=two",
            "name=named&a=%C3%A9&a=a%20b%2Fc%3Fd%26",
            "name=api&a=",
            "name=api&a=a%2B~_-.!*'()",
            "name=dots",
            "name=nothing",
        )
    ),
]

record.run(app, requests)
