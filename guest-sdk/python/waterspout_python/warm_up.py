"""Requests to an app of its own, while the component is made. CPython replaces the instructions of code that has run a few
times by faster ones: so the code of Tornado is that of an instance that has served.
"""

from types import SimpleNamespace

import tornado.httpserver
import tornado.web
import waterspout

from . import direct, event_loop, listening, tornado_server
from .server_options import Options
from componentize_py_types import Err

# Each line of code has run often enough by then.
TIMES = 20


class Page(tornado.web.RequestHandler):
    def get(self, name):
        self.set_header("X-Name", name)
        self.write(self.get_argument("word", "none"))


class Later(tornado.web.RequestHandler):
    async def get(self):
        self.set_status(201)
        self.write({"name": self.get_query_argument("name")})


class DirectPage(waterspout.RequestHandler):
    def get(self, name):
        self.write(self.get_argument("word", "none"))


class DirectLater(waterspout.RequestHandler):
    async def get(self):
        self.write({"name": self.get_query_argument("name")})


def serve():
    """Serves them. Nothing of it is left but the code."""
    rules = [(r"/page/([a-z]+)", Page), (r"/later", Later)]
    server = tornado.httpserver.HTTPServer(tornado.web.Application(rules))
    server.waterspout_options = Options(server)
    ask = tornado_server.host_request.head
    listening.http_servers.append(server)
    listening.direct = waterspout.Application([(r"/page/([a-z]+)", DirectPage), (r"/later", DirectLater)])
    try:
        for number in range(TIMES):
            for serve in (tornado_server.serve, direct.serve):
                _serve(serve, number, "/page/one?word=two")
                _serve(serve, number, "/later?name=it")
    finally:
        listening.http_servers.clear()
        listening.direct = None
        tornado_server.host_request.head = ask


def _serve(serve, number, uri):
    headers = [("host", b"127.0.0.1:8888"), ("user-agent", b"warm-up"), ("accept", b"*/*"), ("cookie", b"a=b; c=d")]
    line = SimpleNamespace(version="HTTP/1.1", remote_ip="127.0.0.1", protocol="http")
    tornado_server.host_request.head = lambda number: line
    frame = event_loop.Frame(0, None)
    with frame:
        serve(frame, number, "GET", SimpleNamespace(uri=uri, headers=headers))
        while event_loop.loop.run_ready():
            pass
    if isinstance(frame.result, Err) or frame.result is None:
        raise RuntimeError(f"no response to {uri}: {frame.result}")
    if frame.ended is not None:
        frame.ended()
