"""Cookies of responses in Tornado. Prints the answers; `renew.py` keeps them."""

import urllib.parse

import record
import tornado.web


class Asks(tornado.web.RequestHandler):
    def asked(self, name):
        """An argument as it was sent, so that control characters stay."""
        values = self.request.query_arguments.get(name)
        return values[-1].decode() if values else None

    def attributes(self):
        attributes = {name: self.asked(name) for name in ("domain", "path", "samesite")}
        return {name: value for name, value in attributes.items() if value is not None}


class Sets(Asks):
    """Sets one cookie as the query says."""

    def get(self):
        attributes = self.attributes()
        for name in ("expires", "max_age"):
            if value := self.asked(name):
                attributes[name] = int(value)
        for name in ("httponly", "secure"):
            attributes[name] = self.asked(name) is not None
        self.set_cookie(self.asked("name") or "", self.asked("value") or "", **attributes)
        self.write("set")


class Clears(Asks):
    """Clears one cookie, or those of the request."""

    def get(self):
        name = self.asked("name")
        if name is None:
            self.clear_all_cookies()
        else:
            self.clear_cookie(name, secure=self.asked("secure") is not None, **self.attributes())
        self.write("cleared")


class Keeps(tornado.web.RequestHandler):
    """Sets a cookie, and does something after it."""

    def get(self, what):
        self.set_cookie("a", "1")
        getattr(self, what)()

    def head(self, what):
        self.get(what)

    def twice(self):
        self.set_cookie("b", "2")
        self.set_cookie("a", "3", path="/b")

    def set_and_cleared(self):
        self.clear_cookie("a")

    def beside_a_header(self):
        self.add_header("Set-Cookie", "b=2")

    def cleared(self):
        self.set_status(404)
        self.clear()

    def failed(self):
        raise tornado.web.HTTPError(403)

    def failed_with_message(self):
        raise tornado.web.HTTPError(418, "said to the log", reason="Teapot")

    def sent(self):
        self.send_error(404, reason="Elsewhere")

    def redirected(self):
        self.redirect("/")

    def no_content(self):
        self.set_status(204)

    def not_read(self):
        self.write(self.get_cookie("a", "nothing"))


app = tornado.web.Application([(r"/set", Sets), (r"/clear", Clears), (r"/kept/([a-z_]+)", Keeps)])


def ask(target, /, headers=(), **query):
    return record.request("GET", target + "?" + urllib.parse.urlencode(query), headers=headers)


PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
SEPARATE = ("a b", "a;b", "a; Secure", "a\r\nX-B: 1", "a\0", "\t", "a\x1f", "a\x7f")

requests = [
    # Names.
    *(
        ask("/set", name=name, value="1")
        for name in (
            *("a", "A", "a-b", "a.b", "a_b", "a!b", "a|b", "a:b", "$a", "__Host-a", "1", PRINTABLE),
            *("", "a=b", "a,b", 'a"b', "a(b", "a[0]", "a/b", "a\\b", "a@b", "{a}", "a\u00e9", *SEPARATE),
            *("path", "Path", "domain", "expires", "secure", "HttpOnly", "max-age", "SameSite", "comment", "version"),
        )
    ),
    # Values, each byte of ASCII for itself.
    *(ask("/set", name="a", value=chr(byte)) for byte in range(128)),
    *(
        ask("/set", name="a", value=value)
        for value in (
            *("", "1", "abc-_.~", "a=b", "a=b&c=d", "1|2:3", '"quoted"', "a,b", "\\", '\\"', "%20", "x" * 4000),
            *(PRINTABLE, "\u00e9", "\u0080", "\u009f", "\u00a0", "\u00ff", "caf\u00e9;", *SEPARATE),
        )
    ),
    # Attributes.
    *(
        ask("/set", name="a", value="1", **{attribute: value})
        for attribute in ("domain", "path")
        for value in ("", "example.com", "/", "/a/b", "/a,b", '/"a"', "/a=b", "/a%20b", *SEPARATE)
    ),
    *(ask("/set", name="a", value="1", samesite=value) for value in ("Strict", "Lax")),
    *(ask("/set", name="a", value="1", max_age=value) for value in ("1", "86400", "-1", "99999999999")),
    *(
        ask("/set", name="a", value="1", expires=value)
        for value in ("1", "1359312200", "951782400", "4102444799", "253402300799")
    ),
    ask("/set", name="a", value="1", httponly=""),
    ask("/set", name="a", value="1", secure=""),
    ask("/set", name="a", value="1", path="", secure=""),
    ask(
        "/set",
        name="a",
        value="1;2",
        domain="example.com",
        path="/b",
        samesite="None",
        max_age="60",
        expires="1359312200",
        httponly="",
        secure="",
    ),
    # Clearing.
    ask("/clear", name="a"),
    ask("/clear", name="a", path="/b"),
    ask("/clear", name="a", path=""),
    ask("/clear", name="a", domain="example.com", path="/b", samesite="Lax", secure=""),
    ask("/clear", name="a b"),
    ask("/clear", name="a", domain="a;b"),
    *(
        ask("/clear", headers=["Cookie: " + cookies])
        for cookies in ("a=1", "a=1; b=2; a=3", "path=1; a=2", "a[0]=1; b=2", "rubbish", "")
    ),
    ask("/clear"),
    # What comes after.
    *(
        ask("/kept/" + what)
        for what in (
            "twice",
            "set_and_cleared",
            "beside_a_header",
            "cleared",
            "failed",
            "failed_with_message",
            "sent",
            "redirected",
            "no_content",
            "not_read",
        )
    ),
    record.request("GET", "/kept/not_read", headers=["Cookie: a=2"]),
    *(record.request("HEAD", "/kept/" + what) for what in ("twice", "failed")),
]

record.run(app, requests)
