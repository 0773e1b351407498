"""`authenticated` in Tornado: who is redirected where. Prints the answers; `renew.py` keeps them."""

import record
import tornado.web
from signed import SECRET, create


class Account(tornado.web.RequestHandler):
    def get_current_user(self):
        return self.get_signed_cookie("user", max_age_days=36500)

    @tornado.web.authenticated
    def show(self):
        record.show(self, [self.request.method, record.latin1(self.current_user)])

    get = head = post = put = delete = patch = options = show


class Elsewhere(Account):
    """Sends to the page that the query names."""

    def get_login_url(self):
        return self.get_query_argument("at")


class Open(Account):
    """For all, with a word to those that are known."""

    def get(self):
        user = self.current_user
        record.show(self, user and record.latin1(user))


def ask(method="GET", target="/account", user=None, host="example.com", version="HTTP/1.1"):
    headers = [] if user is None else ['Cookie: user="%s"' % user]
    return record.request(method, target, headers=headers, host=host, version=version)


BEN = create("ben", name="user")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
requests = [
    *(ask(method) for method in METHODS),
    *(ask(method, user=BEN) for method in METHODS),
    *(ask(user=user) for user in ("", "ben", BEN[:-1], create("ben"), create("", name="user"))),
    *(
        ask(target="/account" + more)
        for more in (
            "?",
            "?a=b",
            "?a=b&c=d",
            "?a=%C3%BC+%20%26",
            "?next=/other",
            "?next=//evil.example",
            "?a=/b:c,d;e@f!$'()*~",
        )
    ),
    *(ask(host=host) for host in ("EXAMPLE.com:8888", "[::1]")),
    ask(version="HTTP/1.0"),
    *(
        ask(method, "/elsewhere?at=" + at)
        for method in ("GET", "POST")
        for at in (
            "/in",
            "/in%3Fa=b",
            "/in%23top",
            "https://login.example.com/in",
            "https://login.example.com/in%3Fa=b",
            "in",
            "//login.example.com/in",
        )
    ),
    ask(target="/open"),
    ask(target="/open", user=BEN),
    ask(target="/open", user=BEN + "0"),
]

if __name__ == "__main__":
    app = tornado.web.Application(
        [(r"/account", Account), (r"/elsewhere", Elsewhere), (r"/open", Open)],
        cookie_secret=SECRET,
        login_url="/login",
    )
    record.run(app, requests)
