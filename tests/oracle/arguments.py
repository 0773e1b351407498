"""Arguments of queries and of urlencoded forms in Tornado. Prints the answers; `renew.py` keeps them."""

import record
import tornado.web


class Decoded(tornado.web.RequestHandler):
    """Says what one of the functions makes of the argument `a`."""

    def get(self, function):
        functions = {
            "any": lambda: self.get_argument("a"),
            "or": lambda: self.get_argument("a", "nothing"),
            "all": lambda: self.get_arguments("a"),
            "query": lambda: self.get_query_argument("a"),
            "query-or": lambda: self.get_query_argument("a", "nothing"),
            "query-all": lambda: self.get_query_arguments("a"),
            "body": lambda: self.get_body_argument("a"),
            "body-or": lambda: self.get_body_argument("a", "nothing"),
            "body-all": lambda: self.get_body_arguments("a"),
            "any-unstripped": lambda: self.get_argument("a", strip=False),
            "or-unstripped": lambda: self.get_argument("a", "nothing", strip=False),
            "all-unstripped": lambda: self.get_arguments("a", strip=False),
            "query-unstripped": lambda: self.get_query_argument("a", strip=False),
            "query-all-unstripped": lambda: self.get_query_arguments("a", strip=False),
            "body-unstripped": lambda: self.get_body_argument("a", strip=False),
            "body-all-unstripped": lambda: self.get_body_arguments("a", strip=False),
        }
        record.show(self, functions[function]())

    post = put = patch = delete = get


class Raw(tornado.web.RequestHandler):
    """Says all arguments, nothing stripped."""

    def get(self):
        kinds = [self.request.query_arguments, self.request.body_arguments]
        record.show(self, [[[name, list(map(record.latin1, kind[name]))] for name in sorted(kind)] for kind in kinds])

    post = get


app = tornado.web.Application([(r"/arguments/([a-z-]+)", Decoded), (r"/raw", Raw)])

FORM = "Content-Type: application/x-www-form-urlencoded"


def post(path, body, *headers, method="POST"):
    return record.request(method, path, headers=headers or [FORM], body=body)


requests = [
    # What is in a query.
    *(
        record.request("GET", "/arguments/any?" + query)
        for query in (
            "",
            "a",
            "a=",
            "a=1",
            "a=1&a=2",
            "a=1;a=2",
            "a=+x+y+",
            "a=%20x%09",
            "a=%00x%1fy%0bz",
            "a=x%0a",
            "a=x%0ay",
            "a=%C2%A0x%E2%80%83",
            "a=%E2%82%AC",
            "a=%e2%82",
            "a=%ff",
            "a=%ff&a=1",
            "a=1&a=%ff",
            "b=%ff&a=1",
            "a=%",
            "a=%2",
            "a=%zz%41",
            "a=b=c",
            "&&a=1&",
            "a[]=1",
            "A=1",
            "%61=1",
            "+a=1",
            "a=1?b=2",
            "a=/../",
            "a=1&amp;a=2",
        )
    ),
    *(
        record.request("GET", "/arguments/%s?%s" % (function, query))
        for function in ("or", "all", "query", "query-or", "query-all", "body", "body-or", "body-all")
        for query in ("a=1&a=+2", "b=1")
    ),
    record.request("GET", "/arguments/or?a="),
    record.request("GET", "/arguments/all?a=1&a=%ff"),
    *(record.request("GET", "/raw?" + query) for query in ("b=+1&a=%ff&a=%00&&=x&c", "a=1&b=2&a=3", "?a=1", "a%3Db=1")),
    # Nothing stripped.
    *(
        record.request("GET", "/arguments/any-unstripped?" + query)
        for query in ("", "a=", "a=+", "a=+x+y+", "a=%20x%09", "a=%00x%1f", "a=%C2%A0x", "a=%ff", "a=+1&a=2+")
    ),
    *(
        post("/arguments/%s-unstripped?a=+1&a=2+" % function, body)
        for function in ("any", "or", "all", "query", "query-all", "body", "body-all")
        for body in ("a=+3&a=4+", "b=5")
    ),
    record.request("GET", "/arguments/or-unstripped"),
    # Too many for a query.
    *(
        record.request("GET", path + "?" + query)
        for path in ("/raw", "/nowhere")
        for query in ("a=1" + "&" * 999, "a=1" + "&" * 1000, "&".join(["a=1"] * 1000), "&".join(["a=1"] * 1001))
    ),
    # What is in a form.
    *(
        post("/raw", body)
        for body in (
            "",
            "a=1",
            "b=+1&a=%ff&a=%00&&=x&c",
            "a=\xff",
            "a=1\r\n",
            "a=1;b=2",
            "a=" + "x" * 5000,
            "a=1" + "&" * 999,
            "a=1" + "&" * 1000,
            "&".join(["a=1"] * 1001),
        )
    ),
    *(
        post("/arguments/body-or", "a=1", *headers)
        for headers in (
            ["Content-Type: application/x-www-form-urlencoded; charset=ISO-8859-1"],
            ["Content-Type: application/x-www-form-urlencoded;charset=utf-8"],
            ["Content-Type: application/x-www-form-urlencodedx"],
            ["Content-Type: Application/X-WWW-Form-Urlencoded"],
            ["Content-Type: text/plain"],
            ["Content-Type: "],
            ["X-None: 1"],
            [FORM, "Content-Encoding: gzip"],
            [FORM, "Content-Encoding: identity"],
            [FORM, "Content-Encoding:"],
        )
    ),
    *(post("/arguments/body-or", "a=1", FORM, method=method) for method in ("GET", "PUT", "PATCH", "DELETE")),
    # Both.
    *(
        post("/arguments/%s?a=1&a=2" % function, body)
        for function in ("any", "all", "query", "query-all", "body", "body-all")
        for body in ("a=3&a=4", "b=5")
    ),
    post("/arguments/any?a=%ff", "a=1"),
    post("/arguments/query?a=1", "a=%ff"),
    post("/arguments/all?a=1", "a=%ff"),
    # In pieces.
    post("/raw", record.chunked("a=1", "&b=2"), FORM, "Transfer-Encoding: chunked"),
    post("/raw", record.chunked("a=12345678"), FORM, "Transfer-Encoding: Chunked"),
    post("/raw", record.chunked(), FORM, "Transfer-Encoding: chunked"),
]

record.run(app, requests)
