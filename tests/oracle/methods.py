"""Methods in Tornado, those that a handler has and those that it has not. Prints the answers; `renew.py` keeps them."""

import record
import tornado.web


class All(tornado.web.RequestHandler):
    """Has every method, and writes which one it is."""

    def get(self):
        self.set_header("X-Method", self.request.method)
        self.write("this is " + self.request.method)

    head = post = put = delete = patch = options = get


class Reads(tornado.web.RequestHandler):
    """Can be read."""

    def get(self):
        self.write("all of it")

    def head(self):
        self.set_header("X-Length", 9)


class Statuses(tornado.web.RequestHandler):
    """Has a status in its path, for all methods alike, and a body where that may have one."""

    def get(self, status):
        self.set_status(int(status))
        if status not in ("204", "304"):
            self.write("status " + status)

    head = post = options = delete = get


class Prepared(tornado.web.RequestHandler):
    """Ends before its method, in one way or another."""

    def prepare(self):
        how = self.get_query_argument("how")
        if how == "finish":
            self.finish("prepared")
        elif how == "redirect":
            self.redirect("/reads")
        elif how == "fail":
            raise tornado.web.HTTPError(403)
        else:
            self.set_header("X-Prepared", how)

    def get(self):
        self.write("the method")

    head = post = get


app = tornado.web.Application(
    [
        (r"/all", All),
        (r"/reads", Reads),
        (r"/status/([0-9]+)", Statuses),
        (r"/prepared", Prepared),
        (r"/old", tornado.web.RedirectHandler, {"url": "/new"}),
        (r"/gone", tornado.web.ErrorHandler, {"status_code": 410}),
    ]
)

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")

requests = [
    *(
        record.request(method, path)
        for path in ("/all", "/reads")
        for method in (*METHODS, "TRACE", "PROPFIND", "get", "Get", "X-OWN")
    ),
    *(record.request(method, "/old") for method in ("HEAD", "POST", "OPTIONS", "TRACE")),
    *(record.request(method, "/gone") for method in ("HEAD", "DELETE")),
    *(record.request(method, "/nowhere") for method in METHODS),
    *(
        record.request(method, "/status/" + status)
        for status in ("201", "204", "304", "404", "599")
        for method in ("GET", "HEAD", "OPTIONS")
    ),
    *(
        record.request(method, "/prepared?how=" + how)
        for how in ("finish", "redirect", "fail", "go-on")
        for method in ("GET", "HEAD", "POST")
    ),
    record.request("GET", "/prepared"),
    # A body where none is expected, and none where one is.
    record.request("GET", "/all", body="a body"),
    record.request("HEAD", "/all", body="a body"),
    record.request("OPTIONS", "/all", body="a body"),
    record.request("DELETE", "/all", headers=["Content-Length: 0"]),
    record.request("POST", "/all", headers=["Transfer-Encoding: chunked"], body="0\r\n\r\n"),
    # Another method that a header asks for is not believed.
    record.request("POST", "/reads", headers=["X-HTTP-Method-Override: GET"]),
]

record.run(app, requests)
