"""The demo app in Tornado, asked what `tests/examples.rs` asks of ours. Prints the answers.

Renew the record with Tornado 6.6.1 installed: python3 tests/oracle/demo.py > tests/oracle/demo.json
"""

import asyncio
import json

import tornado.httpclient
import tornado.httpserver
import tornado.netutil
import tornado.web

REQUESTS = [
    ("GET", "/", None),
    ("GET", "/?x=1", None),
    ("HEAD", "/", None),
    ("POST", "/", "a=b"),
    ("OPTIONS", "/", None),
    ("GET", "/stories", None),
    ("GET", "/stories/", None),
    ("GET", "/story/1", None),
    ("GET", "/story/0042", None),
    ("GET", "/story/x", None),
    ("GET", "/story/", None),
    ("GET", "/story/1/2", None),
    ("GET", "/myform", None),
    ("POST", "/myform", "message=hello+there"),
    ("POST", "/myform", "message=%3Cb%3E+%E2%82%AC"),
    ("POST", "/myform", "message=++spaces++"),
    ("POST", "/myform", "message=one&message=two"),
    ("POST", "/myform", "other=x"),
    ("POST", "/myform", ""),
    ("PUT", "/myform", "message=x"),
    ("GET", "/errors/teapot", None),
    ("GET", "/errors/plain", None),
    ("GET", "/errors/trap", None),
    ("GET", "/errors/none", None),
    ("POST", "/errors/teapot", ""),
    ("GET", "/nowhere", None),
]


class Hello(tornado.web.RequestHandler):
    def get(self):
        self.write("Hello, world")


class Stories(tornado.web.RequestHandler):
    def get(self):
        self.write('<a href="%s">link to story 1</a>' % self.reverse_url("story", "1"))


class Story(tornado.web.RequestHandler):
    def initialize(self, db):
        self.db = db

    def get(self, story_id):
        self.write("this is story %s" % story_id)


class MyForm(tornado.web.RequestHandler):
    def get(self):
        self.write(
            '<html><body><form action="/myform" method="POST">'
            '<input type="text" name="message">'
            '<input type="submit" value="Submit">'
            "</form></body></html>"
        )

    def post(self):
        self.set_header("Content-Type", "text/plain")
        self.write("You wrote " + self.get_body_argument("message"))


class Errors(tornado.web.RequestHandler):
    def get(self, how):
        if how == "teapot":
            raise tornado.web.HTTPError(418)
        raise Exception("a plain error")

    def write_error(self, status_code, **kwargs):
        self.set_header("Content-Type", "application/json; charset=UTF-8")
        self.write(json.dumps({"code": status_code, "message": self._reason}, separators=(",", ":")))


async def main():
    app = tornado.web.Application(
        [
            (r"/", Hello),
            (r"/stories", Stories),
            tornado.web.url(r"/story/([0-9]+)", Story, dict(db="main"), name="story"),
            (r"/myform", MyForm),
            (r"/errors/(teapot|plain|trap)", Errors),
        ]
    )
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    tornado.httpserver.HTTPServer(app).add_sockets(sockets)
    port = sockets[0].getsockname()[1]
    client = tornado.httpclient.AsyncHTTPClient()
    answers = []
    for method, path, body in REQUESTS:
        response = await client.fetch(
            "http://127.0.0.1:%d%s" % (port, path),
            method=method,
            body=body,
            allow_nonstandard_methods=True,
            raise_error=False,
        )
        answers.append(
            {
                "method": method,
                "path": path,
                "sent": body,
                "status": response.code,
                "reason": response.reason,
                "content_type": response.headers.get("Content-Type"),
                "content_length": response.headers.get("Content-Length"),
                "body": response.body.decode(),
            }
        )
    print(json.dumps(answers, indent=1))


asyncio.run(main())
