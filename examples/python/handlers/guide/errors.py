"""Overriding methods of RequestHandler: JSON in `prepare`, error pages, a default handler."""

import json

import tornado.web


class JsonHandler(tornado.web.RequestHandler):
    def prepare(self):
        if self.request.headers.get("Content-Type", "").startswith("application/json"):
            self.json_args = json.loads(self.request.body)
        else:
            self.json_args = None

    def post(self):
        self.write({"args": self.json_args})


class ErrorHandler(tornado.web.RequestHandler):
    def get(self, how):
        if how == "teapot":
            raise tornado.web.HTTPError(418)
        if how == "finish":
            self.set_status(402)
            raise tornado.web.Finish("pay first")
        raise Exception("a plain error")

    def write_error(self, status_code, **kwargs):
        name = type(kwargs["exc_info"][1]).__name__
        self.write({"code": status_code, "message": self._reason, "error": name})


class NotFoundHandler(tornado.web.RequestHandler):
    def prepare(self):
        self.set_status(404)
        self.finish("there is nothing at " + self.request.path)
