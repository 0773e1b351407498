"""The demo app in Tornado, asked what `tests/oracle.rs` asks of ours. Prints the answers; `renew.py` keeps them."""

import json

import record
import tornado.gen
import tornado.ioloop
import tornado.web


class Hello(tornado.web.RequestHandler):
    def get(self):
        self.write("Hello, world")


class Stories(tornado.web.RequestHandler):
    def get(self):
        self.write('<a href="%s">link to story 1</a>' % self.reverse_url("story", "1"))


class Story(tornado.web.RequestHandler):
    def initialize(self, db):
        self.db = db

    def get(self, story_id):
        self.write("this is story %s" % story_id)


class MyForm(tornado.web.RequestHandler):
    def get(self):
        self.write(
            '<html><body><form action="/myform" method="POST">'
            '<input type="text" name="message">'
            '<input type="submit" value="Submit">'
            "</form></body></html>"
        )

    def post(self):
        self.set_header("Content-Type", "text/plain")
        self.write("You wrote " + self.get_body_argument("message"))


class Errors(tornado.web.RequestHandler):
    def get(self, how):
        if how == "teapot":
            raise tornado.web.HTTPError(418)
        raise Exception("a plain error")

    def write_error(self, status_code, **kwargs):
        self.set_header("Content-Type", "application/json; charset=UTF-8")
        self.write(json.dumps({"code": status_code, "message": self._reason}, separators=(",", ":")))


class Json(tornado.web.RequestHandler):
    def prepare(self):
        if not self.request.headers.get("Content-Type", "").startswith("application/json"):
            raise tornado.web.HTTPError(415)
        self.body = json.loads(self.request.body)

    def post(self):
        self.write(self.body)

    def put(self):
        self.set_status(201)
        self.write(self.body)

    def write_error(self, status_code, **kwargs):
        self.write({"error": "send application/json" if status_code == 415 else self._reason})


class Photos(tornado.web.RequestHandler):
    def get(self, name):
        self.write("the photo " + name)


class Guestbook(tornado.web.RequestHandler):
    def get(self):
        self.write("thank you")

    def post(self):
        self.redirect("/guestbook")


class Upload(tornado.web.RequestHandler):
    def post(self):
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.write(self.get_body_argument("title", "nothing") + "\n")
        for file in self.request.files.get("file", []):
            name = file.filename.split("/")[-1].split("\\")[-1] or "no name"
            self.write("%s: %s, %d bytes\n" % (name, file.content_type, len(file.body)))


class Staff(tornado.web.RequestHandler):
    def prepare(self):
        if self.request.remote_ip not in ("127.0.0.1", "::1"):
            raise tornado.web.HTTPError(403)

    def get(self):
        self.write("staff only")


class Interleave(tornado.web.RequestHandler):
    chunks = 0

    async def fetch_next_chunk(self):
        await tornado.gen.sleep(0.1)
        self.chunks += 1
        return "chunk %d\n" % self.chunks if self.chunks <= 3 else None

    async def get(self):
        chunk = await self.fetch_next_chunk()
        while chunk is not None:
            self.write(chunk)
            fetch_future = tornado.gen.convert_yielded(self.fetch_next_chunk())
            await self.flush()
            chunk = await fetch_future


def primes(below):
    return sum(all(n % m for m in range(2, int(n**0.5) + 1)) for n in range(2, below))


class Blocking(tornado.web.RequestHandler):
    async def get(self, how):
        below = self.get_query_argument("below", "1000")
        if not below.isdigit():
            raise tornado.web.HTTPError(400)
        below = int(below)
        if how == "inline":
            count = primes(below)
        else:
            count = await tornado.ioloop.IOLoop.current().run_in_executor(None, primes, below)
        self.write("%d primes below %d" % (count, below))


app = tornado.web.Application(
    [
        (r"/hello", Hello),
        (r"/stories", Stories),
        tornado.web.url(r"/story/([0-9]+)", Story, dict(db="main"), name="story"),
        (r"/myform", MyForm),
        (r"/errors/(teapot|plain|trap)", Errors),
        (r"/json", Json),
        (r"/app", tornado.web.RedirectHandler, {"url": "https://apps.example.com/"}),
        (r"/pictures/(.*)", tornado.web.RedirectHandler, {"url": "/photos/{0}"}),
        (r"/photos/(.*)", Photos),
        (r"/guestbook", Guestbook),
        (r"/upload", Upload),
        (r"/staff", Staff),
        (r"/interleave", Interleave),
        (r"/blocking/(inline|offloaded)", Blocking),
    ]
)

FORM = ["Content-Type: application/x-www-form-urlencoded"]
JSON = ["Content-Type: application/json; charset=utf-8"]


def upload(parts, boundary="x", end="--x--\r\n"):
    body = "".join("--x\r\n%s\r\n\r\n%s\r\n" % part for part in parts) + end
    content_type = "Content-Type: multipart/form-data; boundary=" + boundary
    return record.request("POST", "/upload", headers=[content_type], body=body)


TITLE = ('Content-Disposition: form-data; name="title"', "holidays")


def file(filename, content="abc", more=""):
    return ('Content-Disposition: form-data; name="file"; %s%s' % (filename, more), content)


requests = [
    upload([TITLE]),
    upload([TITLE, file('filename="a.txt"')]),
    upload(
        [
            TITLE,
            file('filename="a.txt"', more="\r\nContent-Type: text/plain"),
            file('filename="b.bin"', "\0\r\n--y\xff"),
        ]
    ),
    upload([file('filename="../../x"')]),
    upload([file('filename=""')]),
    upload([file("filename=plain")]),
    upload([file('filename="a;b.txt"')]),
    upload([file('filename="a\\"b.txt"')]),
    upload([file("filename*=UTF-8''%e2%82%ac.txt")]),
    upload([file('filename="a.txt"', "")]),
    upload([]),
    upload([TITLE], boundary='"x"'),
    upload([TITLE], end=""),
    upload([TITLE], boundary="y"),
    upload([("Content-Disposition: form-data", "1")]),
    upload([("Content-Disposition: attachment; name=title", "1")]),
    upload([TITLE] * 99),
    upload([TITLE] * 101),
    upload([file('filename="a.txt"', more="\r\nX-Long: " + "a" * 11000)]),
    record.request("POST", "/upload", headers=["Content-Type: multipart/form-data"], body="x"),
    record.request("GET", "/staff"),
    *(
        record.request("GET", "/staff", headers=headers)
        for headers in (
            ["X-Real-Ip: 192.0.2.1"],
            ["X-Forwarded-For: 192.0.2.1"],
            ["X-Forwarded-For: 192.0.2.1, 127.0.0.1"],
            ["X-Forwarded-For: 127.0.0.1"],
            ["X-Forwarded-For: 192.0.2.1", "X-Real-Ip: ::1"],
        )
    ),
    *(
        record.request("GET", path)
        for path in (
            "/hello",
            "/hello?x=1",
            "/stories",
            "/stories/",
            "/story/1",
            "/story/0042",
            "/story/x",
            "/story/",
            "/story/1/2",
            "/myform",
            "/errors/teapot",
            "/errors/plain",
            "/errors/trap",
            "/errors/none",
            "/nowhere",
            "/app",
            "/app?from=here",
            "/pictures/cat.png",
            "/pictures/2025/b.png?size=2",
            "/photos/cat.png",
            "/guestbook",
            "/interleave",
        )
    ),
    *(
        record.request("POST", "/myform", headers=FORM, body=body)
        for body in (
            "message=hello+there",
            "message=%3Cb%3E+%E2%82%AC",
            "message=++spaces++",
            "message=one&message=two",
            "other=x",
            "",
        )
    ),
    *(
        record.request(method, "/json", headers=JSON, body=body)
        for method in ("POST", "PUT")
        for body in ('{"a":1}', '{"a":[true,null,"b"]}', "{}")
    ),
    record.request("POST", "/json", headers=FORM, body='{"a":1}'),
    record.request("POST", "/json", body='{"a":1}'),
    record.request("HEAD", "/hello"),
    record.request("POST", "/hello", headers=FORM, body="a=b"),
    record.request("OPTIONS", "/hello"),
    record.request("PUT", "/myform", headers=FORM, body="message=x"),
    record.request("POST", "/errors/teapot"),
    record.request("POST", "/guestbook", headers=FORM, body="name=me"),
    record.request("DELETE", "/guestbook"),
    *(
        record.request("GET", "/blocking/" + path)
        for path in ("inline", "offloaded", "inline?below=3", "offloaded?below=3", "offloaded?below=x", "elsewhere")
    ),
]

record.run(app, requests, xheaders=True, trusted_downstream=["127.0.0.1"])
