"""What handlers in Tornado write: headers, bodies, redirects. Prints the answers; `renew.py` keeps them."""

import record
import tornado.web


class Answers(tornado.web.RequestHandler):
    def set_default_headers(self):
        self.set_header("X-Default", "default")

    def get(self, what):
        getattr(self, what)()

    post = head = get

    def nothing(self):
        pass

    def text(self):
        self.write("caf\u00e9 \u20ac")

    def binary(self):
        self.write(b"\x00\xff\xfe")

    def pieces(self):
        self.write("one, ")
        self.write("two, ")
        self.finish("three")

    def json(self):
        self.write({"a": [1, None, True, "<b>"], "b": {"c": 1.5}})

    def typed(self):
        self.set_header("Content-Type", "text/plain; charset=ISO-8859-1")
        self.write(b"caf\xe9")

    def untyped(self):
        self.clear_header("Content-Type")
        self.write("no type")

    def typed_json(self):
        self.write({})
        self.set_header("Content-Type", "application/problem+json")

    def headers(self):
        self.set_header("X-A", "1")
        self.set_header("x-a", "2")
        self.add_header("X-A", "3")
        self.set_header("X-Number", 7)
        self.set_header("X-Empty", "")
        self.set_header("X-Long", "y" * 500)
        self.set_header("X-Default", "another")
        self.add_header("X-Gone", "1")
        self.clear_header("x-gone")
        self.clear_header("X-Never")

    def latin1(self):
        self.set_header("X-A", b"caf\xe9")

    def cookies(self):
        self.add_header("Set-Cookie", "a=1; Path=/")
        self.add_header("Set-Cookie", "b=2; HttpOnly")

    def cleared(self):
        self.set_status(404)
        self.set_header("X-A", "1")
        self.write("lost")
        self.clear()
        self.write("kept")

    def reasoned(self):
        self.set_status(200, "Very Well")

    def unknown(self):
        self.set_status(299)

    def created(self):
        self.set_status(201)
        self.set_header("Location", "/answers/1")
        self.write({"id": 1})

    def no_content(self):
        self.set_status(204)

    def redirect_written(self):
        self.write("go there")
        self.redirect("/there")


class Redirects(tornado.web.RequestHandler):
    def get(self):
        status = self.get_query_argument("status", None)
        permanent = self.get_query_argument("permanent", None) is not None
        self.redirect(self.get_query_argument("url"), permanent, int(status) if status else None)

    head = post = get


app = tornado.web.Application([(r"/answers/([a-z0-9_]+)", Answers), (r"/redirect", Redirects)])

requests = [
    *(
        record.request("GET", "/answers/" + what)
        for what in (
            "nothing",
            "text",
            "binary",
            "pieces",
            "json",
            "typed",
            "untyped",
            "typed_json",
            "headers",
            "latin1",
            "cookies",
            "cleared",
            "reasoned",
            "unknown",
            "created",
            "no_content",
            "redirect_written",
        )
    ),
    *(record.request("POST", "/answers/" + what) for what in ("nothing", "text", "no_content", "redirect_written")),
    *(record.request("HEAD", "/answers/" + what) for what in ("nothing", "text", "no_content", "redirect_written")),
    *(
        record.request("GET", "/redirect?url=" + url)
        for url in (
            "/there",
            "there",
            "../there",
            "//example.org/",
            "https://example.org/a?b=c%26d%23e",
            "/there?a=1%26b=2",
            "/there%23part",
            "/a%20b",
            "/a%2520b",
            "/caf%C3%A9",
            "",
            "&permanent",
            "/there&permanent",
            *("/there&status=%d" % status for status in (300, 303, 307, 308, 305, 399)),
        )
    ),
    record.request("HEAD", "/redirect?url=/there"),
    record.request("POST", "/redirect?url=/there", body="a=1"),
]

record.run(app, requests)
