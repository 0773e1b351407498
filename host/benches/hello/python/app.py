"""What the benchmark's Tornado app does for `get`, `waiting` and sockets, as an app of Waterspout."""

import asyncio

from tornado.locks import Condition
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler


class Get(RequestHandler):
    def get(self):
        self.write("Hello, world")


class Echo(WebSocketHandler):
    def on_message(self, message):
        return self.write_message(message, isinstance(message, bytes))


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


async def main():
    settings = {"log_function": lambda handler: None}
    Application([(r"/", Get), (r"/echo", Echo), (r"/waiting/(.*)", Waiting)], **settings).listen(8888)
    await asyncio.Event().wait()


asyncio.run(main())
