"""What a Tornado app of several files does: templates, static files, forms, timers, streams, long polls."""

import asyncio
import datetime
import json
import logging
import os
import time

import tornado.gen
import tornado.ioloop
import tornado.locks
import tornado.web

import entries

HERE = os.path.dirname(os.path.abspath(__file__))
changed = tornado.locks.Condition()
ticks = 0


def tick():
    global ticks
    ticks += 1


class Index(tornado.web.RequestHandler):
    def initialize(self, title):
        self.title = title

    def get(self):
        self.render("index.html", title=self.title, entries=entries.ALL)


class Entry(tornado.web.RequestHandler):
    def get(self, name):
        if name not in entries.ALL:
            raise tornado.web.HTTPError(404, "there is no %s", name)
        self.write({"name": name, "url": self.reverse_url("entry", name)})

    def post(self, name):
        entries.ALL.append(self.get_argument("name"))
        changed.notify_all()
        self.set_status(201)


class Poll(tornado.web.RequestHandler):
    async def get(self):
        await changed.wait(timeout=datetime.timedelta(seconds=20))
        self.write(entries.ALL[-1])


class Stream(tornado.web.RequestHandler):
    async def get(self):
        for number in range(3):
            self.write(f"{number}\n")
            await self.flush()
            await tornado.gen.sleep(0.01)


@tornado.web.stream_request_body
class Upload(tornado.web.RequestHandler):
    def prepare(self):
        self.size = 0

    def data_received(self, chunk):
        self.size += len(chunk)

    def put(self):
        self.write(str(self.size))


class Ticks(tornado.web.RequestHandler):
    async def get(self):
        before = ticks
        while ticks == before:
            await asyncio.sleep(0.005)
        self.write("ticked")


class Visible(tornado.web.RequestHandler):
    """What of the host's files can be seen."""

    def get(self):
        def refused(path, mode):
            try:
                open(path, mode).close()
            except OSError as error:
                return type(error).__name__
            return "opened"

        self.write(
            json.dumps(
                [
                    refused("/etc/passwd", "rb"),
                    refused(os.path.join(HERE, "..", "..", "waterspout.toml"), "rb"),
                    refused(os.path.join(HERE, "new"), "wb"),
                    refused(os.path.join(HERE, "entries.py"), "ab"),
                    refused(os.path.join(HERE, "entries.py"), "rb"),
                ]
            )
        )


class Fails(tornado.web.RequestHandler):
    def get(self):
        raise ValueError("as it was told")


class Spins(tornado.web.RequestHandler):
    def get(self):
        while True:
            pass


class Logs(tornado.web.RequestHandler):
    def get(self):
        logging.warning("as the app says it")
        print("as it prints it")
        time.sleep(0.001)


def make_app():
    return tornado.web.Application(
        [
            (r"/", Index, {"title": "Entries"}),
            tornado.web.url(r"/entry/(\w+)", Entry, name="entry"),
            (r"/poll", Poll),
            (r"/stream", Stream),
            (r"/upload", Upload),
            (r"/ticks", Ticks),
            (r"/visible", Visible),
            (r"/fails", Fails),
            (r"/spins", Spins),
            (r"/logs", Logs),
        ],
        template_path=os.path.join(HERE, "pages"),
        static_path=os.path.join(HERE, "static"),
    )


if __name__ == "__main__":
    make_app().listen(8000)
    tornado.ioloop.PeriodicCallback(tick, 10).start()
    tornado.ioloop.IOLoop.current().start()
