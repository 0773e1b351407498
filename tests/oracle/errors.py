"""Errors and error pages in Tornado. Prints the answers; `renew.py` keeps them."""

import record
import tornado.web


class Fails(tornado.web.RequestHandler):
    """Fails with a status, and a reason where the query has one."""

    def get(self, status):
        self.set_header("X-Lost", "1")
        self.set_status(201)
        self.write("lost, too")
        raise tornado.web.HTTPError(
            int(status), self.get_query_argument("message", None), reason=self.get_query_argument("reason", None)
        )

    head = post = get


class Sends(tornado.web.RequestHandler):
    """Sends an error, and does what the query says after it."""

    def prepare(self):
        if self.get_query_argument("prepare", None) is not None:
            self.send_error(int(self.path_args[0]))

    def get(self, status):
        self.set_header("X-Lost", "1")
        self.set_status(201)
        self.write("lost, too")
        self.send_error(int(status), reason=self.get_query_argument("reason", None))
        after = self.get_query_argument("after", "")
        if after == "write":
            self.write("more")
        elif after == "clear":
            self.clear()
        elif after == "status":
            self.set_status(200)
        elif after == "header":
            self.set_header("X-After", "1")
        elif after == "finish":
            self.finish()
        elif after == "redirect":
            self.redirect("/")
        elif after == "raise":
            raise tornado.web.HTTPError(500, "more")
        elif after == "send":
            self.send_error(500)

    head = post = get

    def delete(self, status):
        self.finish("finished")
        self.send_error(int(status))


class Breaks(tornado.web.RequestHandler):
    """Does what may not be done."""

    def get(self, how):
        self.set_header("Content-Type", "text/plain")
        getattr(self, how)()

    post = get

    def plain(self):
        raise ValueError("a plain error")

    def finished_twice(self):
        self.finish("once")
        self.finish("twice")

    def written_after(self):
        self.finish("once")
        self.write("more")

    def failed_after(self):
        self.finish("once")
        raise tornado.web.HTTPError(403)

    def redirected_after(self):
        self.finish("once")
        self.redirect("/")

    def body_of_204(self):
        self.set_status(204)
        self.write("a body")

    def body_of_304(self):
        self.set_status(304)
        self.write("a body")

    def line_in_header(self):
        self.set_header("X-A", "1\r\nX-B: 2")

    def null_in_header(self):
        self.set_header("X-A", "1\0")

    def redirected_with_200(self):
        self.redirect("/", status=200)

    def redirected_with_400(self):
        self.redirect("/", status=400)

    def line_in_location(self):
        self.redirect("/\r\nX-B: 2")


class Pages(tornado.web.RequestHandler):
    """Has a page of its own, of which the query says how it is made."""

    def get(self, status):
        self.set_header("X-Lost", "1")
        if self.get_query_argument("send", None) is not None:
            self.send_error(int(status), reason=self.get_query_argument("reason", None))
            return
        raise tornado.web.HTTPError(int(status), "said to the log")

    def delete(self, status):
        raise ValueError("a plain error")

    def write_error(self, status_code, **kwargs):
        how = self.get_query_argument("how")
        if how == "text":
            self.set_header("Content-Type", "text/plain")
            self.write("%d %s" % (status_code, self._reason))
        elif how == "finish":
            self.finish("finished with %d" % self.get_status())
        elif how == "status":
            self.set_status(200)
            self.write("all is well")
        elif how == "reason":
            self.set_status(status_code, "My Own")
            self.write("why")
        elif how == "redirect":
            self.redirect("/login")
        elif how == "nothing":
            pass


app = tornado.web.Application(
    [
        (r"/fails/([0-9]+)", Fails),
        (r"/sends/([0-9]+)", Sends),
        (r"/breaks/([a-z0-9_]+)", Breaks),
        (r"/pages/([0-9]+)", Pages),
    ]
)

requests = [
    *(
        record.request("GET", "/fails/" + status)
        for status in (
            *("400", "401", "403", "404", "405", "406", "408", "409", "410", "412", "415", "418", "428", "429", "451"),
            *("500", "501", "502", "503", "504", "507", "511"),
            *("430", "499", "599"),
        )
    ),
    *(
        record.request("GET", "/fails/404?" + query)
        for query in (
            "message=secret",
            "reason=Elsewhere",
            "reason=A+%26+B",
            "reason=It%27s+%22own%22",
            "reason=caf%C3%A9",
            "reason=Own&message=secret",
            "reason=",
        )
    ),
    record.request("GET", "/fails/499?reason=Own"),
    record.request("HEAD", "/fails/404"),
    record.request("POST", "/fails/404"),
    *(record.request(method, "/sends/404") for method in ("GET", "HEAD", "POST", "DELETE")),
    *(
        record.request("GET", "/sends/" + query)
        for query in (
            "500",
            "499",
            "404?reason=Elsewhere",
            "404?reason=A+%26+B",
            "403?prepare",
            *(
                "404?after=" + after
                for after in ("write", "clear", "status", "header", "finish", "redirect", "raise", "send")
            ),
        )
    ),
    *(
        record.request("GET", "/pages/%s&send" % query)
        for query in (
            "403?how=text",
            "403?how=text&reason=Own",
            "500?how=status",
            "403?how=redirect",
            "403?how=nothing",
        )
    ),
    *(
        record.request("GET", "/breaks/" + how)
        for how in (
            "plain",
            "finished_twice",
            "written_after",
            "failed_after",
            "redirected_after",
            "body_of_204",
            "body_of_304",
            "line_in_header",
            "null_in_header",
            "redirected_with_200",
            "redirected_with_400",
            "line_in_location",
        )
    ),
    *(
        record.request("GET", "/pages/%s?how=%s" % (status, how))
        for how in ("text", "finish", "status", "reason", "redirect", "nothing")
        for status in ("403", "500")
    ),
    *(record.request(method, "/pages/403?how=text") for method in ("HEAD", "POST", "DELETE")),
    record.request("GET", "/pages/499?how=text"),
]

record.run(app, requests)
