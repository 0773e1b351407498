"""Request handlers for those who want speed: Tornado's names on the host itself, without Tornado's server in between.

    from waterspout import Application, RequestHandler

    class MainHandler(RequestHandler):
        def get(self):
            self.write("Hello, world")

    Application([(r"/", MainHandler)]).listen(8888)

What a handler has and does is what `tornado.web.RequestHandler` has of the same name. What it has not is in docs/python.md.
"""

from .application import Application, url
from .errors import Finish, HTTPError, MissingArgumentError
from .handler import RequestHandler
from .request import HTTPServerRequest

__all__ = [
    "Application",
    "Finish",
    "HTTPError",
    "HTTPServerRequest",
    "MissingArgumentError",
    "RequestHandler",
    "url",
]
