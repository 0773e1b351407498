"""`xsrf_cookies` in Tornado: which requests are refused. Prints the answers; `renew.py` keeps them."""

import record
import tornado.web

TOKEN = "000102030405060708090a0b0c0d0e0f"
# One token under two masks, and another one.
ONE = "2|deadbeef|deacbcecdaa8b8e8d6a4b4e4d2a0b0e0|1700000000"
TWO = "2|00000000|000102030405060708090a0b0c0d0e0f|1600000000"
OTHER = "2|01020304|000102030405060708090a0b0c0d0e0f|1700000000"
MALFORMED = ["2|", "2||", "2|00|00|1", "2|00000000|0g|1", "2|00000000|000|1", "2|00000000|00|x", "3|1", "2|1|1|1|1", "|"]
FORM = "Content-Type: application/x-www-form-urlencoded"
PARTS = "Content-Type: multipart/form-data; boundary=x"


class Form(tornado.web.RequestHandler):
    """Says what came of a form."""

    def show(self):
        record.show(self, [self.request.method, self.get_body_argument("field", None)])

    get = head = post = put = delete = patch = options = show


def ask(method="POST", target="/protected", cookie=None, headers=(), body=""):
    cookies = [] if cookie is None else ["Cookie: _xsrf=" + cookie]
    return record.request(method, target, headers=[*cookies, *headers], body=body)


def quoted(value):
    return value.replace("|", "%7C").replace(" ", "+")


def places(value):
    """A token wherever one may stand."""
    field = "field=some+text&_xsrf=" + quoted(value)
    part = '--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    parts = part % ("field", "some text") + part % ("_xsrf", value) + "--x--\r\n"
    yield {"target": "/protected?_xsrf=" + quoted(value)}
    yield {"headers": [FORM], "body": field}
    yield {"headers": [PARTS], "body": parts}
    if value.strip() == value and value:
        yield {"headers": ["X-Xsrftoken: " + value]}
        yield {"headers": ["X-Csrftoken: " + value]}


PLACES = [*places(ONE)]

requests = [
    # What changes nothing needs none.
    *(ask(method) for method in ("GET", "HEAD", "OPTIONS")),
    *(ask(method) for method in ("POST", "PUT", "DELETE", "PATCH")),
    *(ask(method, cookie=ONE, **place) for method in ("POST", "PUT", "DELETE", "PATCH") for place in PLACES),
    # Each place, for each cookie.
    *(
        ask(cookie=cookie, **place)
        for cookie in (None, TWO, OTHER, TOKEN, "text", "2|", "3|1", '"' + ONE + '"', "")
        for place in PLACES
    ),
    *(ask(cookie=ONE, **place) for value in (TWO, OTHER, TOKEN, "text", "") for place in places(value)),
    *(ask(cookie=ONE, **place) for value in MALFORMED for place in places(value)),
    *(ask(cookie=value, **place) for value in MALFORMED for place in PLACES[:2]),
    *(ask(cookie=value, **place) for value in ("text", "0", "00", TOKEN, "2", "a|b") for place in places(value)),
    # Several of one name.
    ask(target="/protected?_xsrf=x&_xsrf=" + quoted(ONE), cookie=TWO),
    ask(target="/protected?_xsrf=%s&_xsrf=x" % quoted(ONE), cookie=TWO),
    ask(cookie=TWO, headers=[FORM], body="_xsrf=x&_xsrf=" + quoted(ONE)),
    ask(cookie=TWO, headers=[FORM], body="_xsrf=%s&_xsrf=x" % quoted(ONE)),
    ask(cookie=TWO + "; _xsrf=" + OTHER, **PLACES[0]),
    ask(cookie=OTHER + "; _xsrf=" + TWO, **PLACES[0]),
    # Spaces around it.
    ask(target="/protected?_xsrf=+%s+" % quoted(ONE), cookie=TWO),
    ask(cookie=TWO, headers=[FORM], body="_xsrf=+%s+" % quoted(ONE)),
    # A body that is no form.
    ask(cookie=TWO, body="_xsrf=" + quoted(ONE)),
    ask(cookie=TWO, headers=["Content-Type: text/plain"], body="_xsrf=" + quoted(ONE)),
    ask(cookie=TWO, headers=["Content-Type: application/json"], body='{"_xsrf":"%s"}' % ONE),
    ask(cookie=TWO, headers=["Content-Type: application/json", "X-Xsrftoken: " + ONE], body="{}"),
    # In pieces.
    ask(cookie=TWO, headers=[FORM, "Transfer-Encoding: chunked"], body=record.chunked("_xs", "rf=" + quoted(ONE), "&field=a")),
    ask(cookie=TWO, headers=[FORM, "Transfer-Encoding: chunked"], body=record.chunked("field=a")),
    # A form after a form, over one connection.
    [
        record.request("POST", "/protected", headers=["Cookie: _xsrf=" + ONE, FORM], body="field=a", ends=None),
        record.request("POST", "/protected", headers=["Cookie: _xsrf=" + ONE, FORM], body="field=b&_xsrf=" + quoted(TWO)),
    ],
]

if __name__ == "__main__":
    app = tornado.web.Application([(r"/protected", Form)], xsrf_cookies=True)
    record.run(app, requests)
