"""`flush` and `stream_request_body` in Tornado. Prints the answers; `renew.py` keeps them."""

import record
import tornado.web


class Flushed(tornado.web.RequestHandler):
    """Does what its query says, in that order. No chunk has ten bytes: Tornado writes its length in lower case."""

    async def get(self):
        for step in self.get_query_arguments("do"):
            name, _, value = step.partition(":")
            if name == "write":
                self.write(value)
            elif name == "flush":
                await self.flush()
            elif name == "status":
                self.set_status(int(value))
            elif name == "length":
                self.set_header("Content-Length", value)
            elif name == "type":
                self.set_header("Content-Type", value)
            elif name == "cookie":
                self.set_cookie("a", value)
            elif name == "etag":
                self.set_header("Etag", value)
            elif name == "finish":
                self.finish()

    head = post = get


class Started(Flushed):
    """Has begun before its method does."""

    async def prepare(self):
        self.set_header("X-A", "1")
        self.write("before ")
        await self.flush()


@tornado.web.stream_request_body
class Received(tornado.web.RequestHandler):
    def initialize(self):
        self.notes = []
        self.bytes = 0

    def prepare(self):
        self.notes.append("prepare")
        if "most" in self.request.query_arguments:
            self.request.connection.set_max_body_size(int(self.get_query_argument("most")))
        if "redirect" in self.request.query_arguments:
            self.redirect("/elsewhere")

    def data_received(self, chunk):
        self.bytes += len(chunk)

    def post(self):
        self.notes.append("post")
        arguments = sorted(self.request.body_arguments)
        record.show(self, [self.notes, self.bytes, len(self.request.body), arguments])

    put = post


app = tornado.web.Application([(r"/flushed", Flushed), (r"/started", Started), (r"/received", Received)])


def get(path, *steps, method="GET", headers=(), version="HTTP/1.1"):
    query = "&".join("do=" + step for step in steps)
    return record.request(method, path + "?" + query, headers=headers, version=version)


FORM = "Content-Type: application/x-www-form-urlencoded"

requests = [
    *(
        get(path, *steps, method=method)
        for method in ("GET", "HEAD", "POST")
        for path, steps in (
            ("/flushed", ("flush",)),
            ("/flushed", ("write:one", "flush")),
            ("/flushed", ("write:one", "flush", "write:two", "flush", "flush", "write:three")),
            ("/flushed", ("flush", "write:one", "finish")),
            ("/flushed", ("length:6", "write:one", "flush", "write:two")),
            ("/flushed", ("length:6", "flush", "write:one", "write:two", "flush")),
            ("/flushed", ("status:201", "type:text/plain", "cookie:1", "write:one", "flush")),
            ("/flushed", ("status:404", "write:one", "flush", "write:two")),
            ("/flushed", ("etag:%22a%22", "write:one", "flush")),
            ("/flushed", ("status:204", "flush")),
            ("/started", ("write:one",)),
            ("/started", ("write:one", "flush", "write:two")),
        )
    ),
    get("/flushed", "write:one", "flush", "write:two", version="HTTP/1.0"),
    get("/flushed", "length:6", "write:one", "flush", "write:two", version="HTTP/1.0"),
    get("/flushed", "write:one", "flush", headers=["If-None-Match: *"]),
    get("/flushed", "etag:%22a%22", "write:one", "flush", headers=['If-None-Match: "a"']),
    *(
        record.request(method, "/received" + query, headers=[FORM], body=body)
        for method in ("POST", "PUT")
        for query in ("", "?redirect")
        for body in ("", "a=1", "a=1&" * 1000)
    ),
    record.request("POST", "/received", headers=["Transfer-Encoding: chunked"], body=record.chunked("one", "two")),
    record.request("POST", "/received?most=3", headers=[FORM], body="a=1"),
]

record.run(app, requests)
