import asyncio
import json
import os

import tornado
from tornado.websocket import WebSocketHandler, websocket_connect

VERSION = 1


class Room(WebSocketHandler):
    here = set()

    def prepare(self):
        if self.get_argument("name", None) == "nobody":
            raise tornado.web.HTTPError(401)
        self.set_cookie("seen", "yes")

    def select_subprotocol(self, names):
        return names[0] if names else None

    def get_compression_options(self):
        return {"compression_level": 1} if self.get_argument("deflate", None) else None

    async def open(self, room):
        self.here.add(self)
        await asyncio.sleep(0.01)
        await self.write_message({"room": room, "version": VERSION, "protocol": self.selected_subprotocol})

    async def on_message(self, message):
        if message == "wait":
            await asyncio.sleep(0.1)
        elif message == "fail":
            raise ValueError("as it was told")
        elif message == "close":
            self.close(4000, "as you say")
            return
        elif message == "much":
            for number in range(40):
                await self.write_message(b"x" * 500_000, binary=True)
            message = "all"
        await self.write_message(message, binary=isinstance(message, bytes))

    def on_ping(self, data):
        self.write_message(b"pinged " + data)

    def on_close(self):
        self.here.discard(self)
        Left.note(self)


class Left(tornado.web.RequestHandler):
    """What the sockets that are gone were closed with, when there are so many."""

    codes = []
    changed = asyncio.Event()

    @classmethod
    def note(cls, socket):
        cls.codes.append([socket.close_code, socket.close_reason])
        cls.changed.set()

    async def get(self, count):
        while len(self.codes) < int(count):
            self.changed.clear()
            await self.changed.wait()
        self.write(json.dumps(self.codes))


class Say(tornado.web.RequestHandler):
    """Says something to all sockets, from a request of its own."""

    def post(self):
        for socket in Room.here:
            socket.write_message(self.request.body)


class Pinged(WebSocketHandler):
    ping_interval = 0.05
    ping_timeout = 0.05

    def on_message(self, message):
        pass

    def on_close(self):
        Left.note(self)


class Client(tornado.web.RequestHandler):
    """A WebSocket to another server."""

    async def get(self):
        url = os.environ["PEER"].replace("http", "ws") + "/room/b"
        socket = await websocket_connect(url, subprotocols=["x"], compression_options={})
        said = [await socket.read_message()]
        await socket.write_message(b"\0\1", binary=True)
        said.append(list(await socket.read_message()))
        socket.ping(b"a")
        said.append(await socket.read_message())
        await socket.write_message("close")
        said.append(await socket.read_message())
        said += [socket.close_code, socket.close_reason]
        for other in ("/say", "/room/b?name=nobody", "/nothing"):
            said.append(await self.fault(url.replace("/room/b", other)))
        said.append(await self.fault("ws://denied.example/"))
        self.write(json.dumps(said))

    async def fault(self, url):
        try:
            await websocket_connect(url)
        except Exception as error:
            return f"{type(error).__name__}: {error}"


class Page(tornado.web.RequestHandler):
    def get(self):
        self.write("a page")


async def main():
    app = tornado.web.Application(
        [
            (r"/", Page),
            (r"/room/(.*)", Room),
            (r"/pinged", Pinged),
            (r"/left/(.*)", Left),
            (r"/say", Say),
            (r"/client", Client),
        ],
        websocket_max_message_size=100_000,
    )
    app.listen(8888)
    await asyncio.Event().wait()


asyncio.run(main())
