"""Tornado's own tests in a component. Those that need no socket run in here, and report. Of those that do, this is the
server: the client is outside, and says which test it is at.
"""

import asyncio
import os

import tornado

# The tests are not in Tornado's snapshot. They are put beside this file.
tornado.__path__.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "installed"))

_symlink = os.symlink
# In a component there are no links to absolute paths.
os.symlink = lambda target, link, **kwargs: _symlink(os.path.relpath(target, os.path.dirname(link)), link, **kwargs)

import pure
import served
import tornado.web


class Run(tornado.web.RequestHandler):
    """Runs the tests of one class, or of one module, that need no socket."""

    async def post(self):
        # Not inside of this task: tests have tasks of their own.
        ended = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(pure.run, self.get_query_argument("name"), ended)
        self.write({"tests": await ended})


class Begin(tornado.web.RequestHandler):
    def post(self):
        served.begin(self.get_query_argument("test"), int(self.get_query_argument("port")))


class Logged(tornado.web.RequestHandler):
    def get(self):
        self.write({"records": served.logged()})


class End(tornado.web.RequestHandler):
    def post(self):
        served.end()
        self.write({"requests": served.requests})


if __name__ == "__main__":
    served.main(
        tornado.web.Application(
            [
                (served.CONTROL + "run", Run),
                (served.CONTROL + "begin", Begin),
                (served.CONTROL + "logged", Logged),
                (served.CONTROL + "end", End),
            ],
            serve_traceback=True,
        )
    )
