"""The peer: what the benchmark's guests do, written for Tornado. One process, no access log, all else as it comes."""

import asyncio
import sys

from tornado.escape import json_decode
from tornado.web import Application, RequestHandler


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


async def main():
    routes = [(r"/", Get), (r"/lifecycle", Lifecycle), (r"/json", Json), (r"/headers", Headers)]
    Application(routes, log_function=lambda handler: None).listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()


asyncio.run(main())
