"""Bodies that are compressed, of requests and of answers, in Tornado. Prints the answers; `renew.py` keeps them."""

import struct
import zlib

import record
import tornado.web


class Body(tornado.web.RequestHandler):
    """Says what came of a body, and what its headers say of it now."""

    def post(self):
        names = ("Content-Encoding", "X-Consumed-Content-Encoding")
        said = [self.request.headers.get(name) for name in names]
        arguments = self.get_body_arguments("a")
        record.show(self, [record.latin1(self.request.body), arguments, *said])

    put = post


class Long(tornado.web.RequestHandler):
    """A body of that length and type."""

    def get(self, length):
        self.set_header("Content-Type", self.get_query_argument("type", "text/plain; charset=UTF-8"))
        coding = self.get_query_argument("coding", None)
        if coding:
            self.set_header("Content-Encoding", coding)
        self.set_status(int(self.get_query_argument("status", "200")))
        self.write("x" * int(length))

    head = post = get


app = tornado.web.Application([(r"/body", Body), (r"/long/([0-9]+)", Long)], compress_response=True)

FORM = "Content-Type: application/x-www-form-urlencoded"
CHUNKED = "Transfer-Encoding: chunked"


def zipped(text):
    """As gzip, of stored blocks, so that each version of Python and zlib makes the same of it (RFC 1952)."""
    plain = text.encode("latin-1")
    deflate = zlib.compressobj(0, zlib.DEFLATED, -zlib.MAX_WBITS)
    head, end = b"\x1f\x8b\x08" + bytes(6) + b"\xff", struct.pack("<II", zlib.crc32(plain), len(plain))
    return record.latin1(head + deflate.compress(plain) + deflate.flush() + end)


def post(body, coding="gzip", more=(), method="POST"):
    return record.request(method, "/body", headers=["Content-Encoding: " + coding, *more], body=body)


def get(path, accepted="gzip", method="GET", more=()):
    return record.request(method, path, headers=["Accept-Encoding: " + accepted, *more])


TEXT = zipped("some text")

requests = [
    # Requests.
    record.request("POST", "/body", body="some text"),
    record.request("POST", "/body", headers=[FORM], body="a=1&a=2"),
    *(post(TEXT, coding) for coding in ("gzip", "GZIP", "Gzip", "gzip, gzip", "x-gzip", "identity", "")),
    post("some text", "deflate"),
    post(record.latin1(zlib.compress(b"some text", 0)), "deflate"),
    post(zipped("a=1&a=2"), more=[FORM]),
    post(zipped("a=1&a=2"), "x-gzip", more=[FORM]),
    post(zipped("a=\xff"), more=[FORM]),
    post(zipped("")),
    post(""),
    post(TEXT + TEXT),
    post(TEXT + zipped("") + zipped(" and more")),
    post(TEXT + "garbage"),
    post(TEXT + "\0"),
    post(TEXT[:-1]),
    post(TEXT[:-8]),
    post(TEXT[:10]),
    post(TEXT[:1]),
    post(TEXT + TEXT[:-1]),
    post("some text"),
    post(TEXT[:-8] + "\0" * 8),
    post(record.chunked(TEXT[:5], TEXT[5:]), more=[CHUNKED]),
    post(record.chunked(), more=[CHUNKED]),
    post(zipped("x" * 1500)),
    post(TEXT, method="PUT"),
    # Answers.
    *(get("/long/%d" % length) for length in (0, 1, 1023, 1024, 1500)),
    *(get("/long/1100", accepted) for accepted in ("", "identity", "deflate", "gzip, deflate", "deflate, gzip;q=0.5")),
    *(
        get("/long/1100?type=" + content_type)
        for content_type in (
            "text/html",
            "text/css",
            "text/x-own",
            "application/json",
            "application/json;%20charset=UTF-8",
            "application/javascript",
            "application/xml",
            "image/svg%2Bxml",
            "application/octet-stream",
            "image/png",
            "application/xhtml%2Bxml",
            "application/atom%2Bxml",
        )
    ),
    get("/long/1100?coding=own"),
    get("/long/1100?status=404"),
    get("/long/1100?status=201"),
    get("/long/1100", method="POST"),
    get("/long/10", method="HEAD"),
    get("/long/1100", more=["If-None-Match: *"]),
    get("/nowhere"),
]

record.run(app, requests, decompress_request=True)
