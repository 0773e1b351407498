"""`cross_origin_protection` in Tornado: which requests are refused. Prints the answers; `renew.py` keeps them."""

import record
import tornado.web

TRUSTED = ["https://trusted.example", "http://trusted.example:8080"]


class Changes(tornado.web.RequestHandler):
    def show(self):
        record.show(self, self.request.method)

    get = head = post = put = delete = patch = options = show


class Decides(Changes):
    """Trusts what the query says."""

    def check_trusted_origin(self, origin):
        return origin.endswith(self.get_query_argument("trusted"))


def ask(target="/changes", method="POST", site=None, origin=None, host="a.example"):
    headers = [] if site is None else ["Sec-Fetch-Site: " + site]
    headers += [] if origin is None else ["Origin: " + origin]
    return record.request(method, target, host=host, headers=headers)


SITES = (None, "same-origin", "none", "same-site", "cross-site", "Same-Origin", "x")
ORIGINS = (
    None,
    "http://a.example",
    "https://a.example",
    "https://A.Example",
    "http://a.example:80",
    "http://a.example.evil.example",
    "https://trusted.example",
    "http://trusted.example",
    "http://trusted.example:8080",
    "null",
)

requests = [
    *(ask(site=site, origin=origin) for site in SITES for origin in ORIGINS),
    *(
        ask(method=method, site="cross-site", origin=origin)
        for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH")
        for origin in ("https://evil.example", "https://trusted.example", None)
    ),
    *(
        ask(host=host, origin=origin)
        for host in ("a.example:8888", "A.EXAMPLE", "[::1]:8888")
        for origin in ("http://a.example:8888", "http://a.example", "http://[::1]:8888")
    ),
    *(
        ask("/decides?trusted=.example", site=site, origin=origin)
        for site in (None, "same-origin", "cross-site")
        for origin in (None, "https://b.example", "https://b.other", "https://trusted.example", "null")
    ),
    ask("/decides?trusted=.example", method="GET", site="cross-site", origin="https://b.other"),
]

if __name__ == "__main__":
    app = tornado.web.Application(
        [(r"/changes", Changes), (r"/decides", Decides)],
        cross_origin_protection=True,
        trusted_origins=TRUSTED,
    )
    record.run(app, requests)
