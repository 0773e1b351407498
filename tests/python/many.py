import asyncio
import os

import tornado
from tornado.locks import Condition

VERSION = "edit"


class Main(tornado.web.RequestHandler):
    def get(self):
        self.write(VERSION)


class Seed(tornado.web.RequestHandler):
    def get(self):
        self.write(str(hash("waterspout")))


class Poll(tornado.web.RequestHandler):
    news = Condition()
    waiting = 0

    async def get(self):
        Poll.waiting += 1
        await self.news.wait()
        Poll.waiting -= 1
        self.write("news")

    async def post(self):
        """Answers when so many wait."""
        while Poll.waiting < int(self.request.body):
            await asyncio.sleep(0.05)
        self.write(str(Poll.waiting))

    def put(self):
        self.news.notify_all()


class Abort(tornado.web.RequestHandler):
    def get(self):
        os.abort()


class Spin(tornado.web.RequestHandler):
    def get(self):
        while True:
            pass


async def main():
    app = tornado.web.Application(
        [(r"/", Main), (r"/seed", Seed), (r"/poll", Poll), (r"/abort", Abort), (r"/spin", Spin)],
        log_function=lambda handler: None,
    )
    app.listen(8888)
    await asyncio.Event().wait()


asyncio.run(main())
