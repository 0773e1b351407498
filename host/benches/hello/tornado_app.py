"""The peer: what the benchmark's guests do, written for Tornado. One process, no access log, all else as it comes.

Called with a port and the name of the workload."""

import asyncio
import os
import pathlib
import sys

from tornado.escape import json_decode
from tornado.iostream import StreamClosedError
from tornado.locks import Condition
from tornado.tcpserver import TCPServer
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

PAGE = (pathlib.Path(__file__).parent.parent / "guests/page/page.html").read_text()


class Get(RequestHandler):
    def get(self):
        self.write("Hello, world")


class Lifecycle(RequestHandler):
    finished = 0

    def initialize(self):
        self.greeting = "Hello"

    async def prepare(self):
        self.name = "world"

    async def get(self):
        self.write(self.greeting)
        self.write(", ")
        self.write(self.name)

    def on_finish(self):
        Lifecycle.finished += 1


class Json(RequestHandler):
    def post(self):
        self.write(json_decode(self.request.body))


class Headers(RequestHandler):
    def get(self):
        for name in ("user-agent", "accept-language", "x-request-id"):
            self.write(self.request.headers[name])
            self.write("\n")


class Upload(RequestHandler):
    def post(self):
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.write(self.get_body_argument("title") + "\n")
        for file in self.request.files["file"]:
            self.write(f"{file.filename}: {file.content_type}, {len(file.body)} bytes\n")


class Page(RequestHandler):
    def get(self):
        self.write(PAGE)


class Stream(RequestHandler):
    async def get(self):
        self.set_header("Content-Length", 65_536 * 16)
        for _ in range(16):
            self.write(b"x" * 65_536)
            await self.flush()


class Waiting(RequestHandler):
    news = Condition()
    count = 0

    async def get(self, what):
        if what == "poll":
            await self.wait()
            self.write("news")
        elif what == "events":
            self.set_header("Content-Type", "text/event-stream")
            await self.flush()
            while True:
                await self.wait()
                self.write("data: news\n\n")
                await self.flush()
        elif what == "publish":
            self.news.notify_all()
            self.write("published")
        else:
            self.write(str(Waiting.count))

    async def wait(self):
        Waiting.count += 1
        await self.news.wait()
        Waiting.count -= 1


class Echo(WebSocketHandler):
    def get_compression_options(self):
        return {}

    def on_message(self, message):
        self.write_message(message)


class Topic(WebSocketHandler):
    all = set()

    def open(self):
        self.all.add(self)

    def on_message(self, message):
        self.write_message(message)

    def on_close(self):
        self.all.discard(self)


class Publish(RequestHandler):
    def post(self):
        message = self.request.body.decode()
        for socket in Topic.all:
            socket.write_message(message)
        self.write(str(len(Topic.all)))


class Idle(WebSocketHandler):
    def on_message(self, message):
        self.write_message("0")


class EchoServer(TCPServer):
    async def handle_stream(self, stream, address):
        try:
            while True:
                line = await stream.read_until(b"\n")
                await stream.write(b"You sent: " + line)
        except StreamClosedError:
            pass


async def main():
    port, workload = sys.argv[1:]
    if workload == "streams":
        EchoServer().listen(int(port), "127.0.0.1")
        await asyncio.Event().wait()
    routes = [(r"/", Get), (r"/lifecycle", Lifecycle), (r"/json", Json), (r"/headers", Headers), (r"/upload", Upload),
              (r"/page", Page), (r"/stream", Stream), (r"/waiting/(.*)", Waiting), (r"/echo", Echo),
              (r"/topic", Topic), (r"/publish", Publish), (r"/idle", Idle)]
    settings = {"log_function": lambda handler: None, "compress_response": workload == "compressed"}
    if workload == "static":
        settings["static_path"] = os.environ["STATIC_PATH"]
    Application(routes, **settings).listen(int(port), "127.0.0.1")
    await asyncio.Event().wait()


asyncio.run(main())
