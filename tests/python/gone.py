"""What programs of older guides name and Tornado 6 has not: says what becomes of each line."""

import asyncio

import tornado.gen
import tornado.httpclient
import tornado.ioloop
import tornado.netutil
import tornado.web

LINES = [
    "tornado.web.asynchronous",
    "tornado.gen.Task",
    "tornado.gen.engine",
    "tornado.netutil.TCPServer",
    "tornado.httpclient.HTTPRequest('http://a', callback=print)",
    "tornado.gen.coroutine(print, replace_callback=True)",
    "tornado.ioloop.PeriodicCallback(print, 1000, io_loop=None)",
    "tornado.ioloop.IOLoop.current().set_blocking_log_threshold(0.050)",
]


def becomes(line):
    try:
        eval(line)
    except Exception as error:
        return type(error).__name__
    return "runs"


class MainHandler(tornado.web.RequestHandler):
    def get(self):
        self.write({line: becomes(line) for line in LINES})


async def main():
    tornado.web.Application([(r"/", MainHandler)]).listen(8888)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
