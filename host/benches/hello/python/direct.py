"""The same `get` by a handler of the package `waterspout`."""

from waterspout import Application, RequestHandler


class Get(RequestHandler):
    def get(self):
        self.write("Hello, world")


Application([(r"/", Get)]).listen(8888)
