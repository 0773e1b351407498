import asyncio
import json

from waterspout import Application, Finish, HTTPError, RequestHandler, url


class Main(RequestHandler):
    def get(self):
        self.write("Hello, world")


class Base(RequestHandler):
    def initialize(self, kind="none"):
        self.kind = kind

    def set_default_headers(self):
        self.set_header("X-Base", "yes")

    def prepare(self):
        if self.get_query_argument("stop", None):
            self.set_status(403)
            self.finish("stopped")

    def write_error(self, status_code, **kwargs):
        self.finish({"status": status_code, "kind": self.kind, "why": str(kwargs["exc_info"][1])})

    def on_finish(self):
        finished.append(f"{self.request.method} {self.request.path} {self.get_status()}")


class Entry(Base):
    async def get(self, name):
        if name == "none":
            raise HTTPError(404, "no entry %s", name)
        if name == "fails":
            raise ValueError("as it was told")
        if name == "waits":
            await asyncio.sleep(0.01)
        if name == "enough":
            self.write("enough")
            raise Finish
        if name == "elsewhere":
            return self.redirect(self.reverse_url("entry", "a b"))
        self.write({"name": name, "kind": self.kind, "arguments": self.get_arguments("a")})

    def post(self, name):
        self.set_cookie("last", name, httponly=True, expires_days=None)
        self.set_signed_cookie("user", "me")
        self.set_status(201)
        self.write(self.get_body_argument("text") + self.request.headers["Content-Type"])

    def put(self, name):
        self.write(str(len(self.request.body)))

    def delete(self, name):
        self.write(self.get_cookie("last", "-") + (self.get_signed_cookie("user") or b"-").decode())


class Upload(Base):
    def post(self):
        (file,) = self.request.files["file"]
        self.write({"name": file["filename"], "length": len(file["body"])})


class Stream(RequestHandler):
    async def get(self):
        self.set_header("Content-Type", "text/plain")
        for number in range(3):
            self.write(f"{number}\n")
            await self.flush()
            await asyncio.sleep(0.01)


class Poll(RequestHandler):
    async def get(self):
        finished.append("waits")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            finished.append("cancelled")
            raise

    def on_connection_close(self):
        finished.append("closed")


class Plain(RequestHandler):
    def get(self):
        if self.get_argument("fail", None):
            return 1 / 0
        raise HTTPError(418, reason="I am a teapot")


class Finished(RequestHandler):
    def get(self):
        self.write(json.dumps(finished))


finished = []

Application(
    [
        (r"/", Main),
        url(r"/entry/(?P<name>[^/]+)", Entry, {"kind": "entry"}, name="named"),
        url(r"/entries/([^/]+)", Entry, {"kind": "other"}, name="entry"),
        (r"/upload", Upload),
        (r"/stream", Stream),
        (r"/poll", Poll),
        (r"/plain", Plain),
        (r"/finished", Finished),
    ],
    cookie_secret="for this test alone",
).listen(8888)
