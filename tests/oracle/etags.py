"""`ETag` and `If-None-Match` in Tornado. Prints the answers; `renew.py` keeps them."""

import record
import tornado.web


class Tagged(tornado.web.RequestHandler):
    """Has a body and the entity tag that its query asks for."""

    def compute_etag(self):
        return {"own": '"own"', "weak": 'W/"weak"', "comma": '"a,b"', "none": None}[self.kind]

    def get(self):
        self.kind = self.get_query_argument("kind")
        self.set_header("X-Kept", "1")
        self.set_header("Content-Language", "en")
        self.write("the body")

    head = get


class Hashed(tornado.web.RequestHandler):
    """Leaves it to the server."""

    def get(self):
        self.write("the ")
        self.write(self.get_query_argument("text", "body"))

    head = post = get


class Untagged(tornado.web.RequestHandler):
    """Answers with a status, where it is no error of its own."""

    def get(self, status):
        if status == "400":
            raise tornado.web.HTTPError(400)
        self.set_status(int(status))
        if status not in ("204", "304"):
            self.write("the body")


app = tornado.web.Application(
    [
        (r"/tagged", Tagged),
        (r"/hashed", Hashed),
        (r"/untagged/([0-9]+)", Untagged),
        (r"/old", tornado.web.RedirectHandler, {"url": "/new"}),
    ]
)

BODY = '"39a7614817a541998a833f7ffda421da8fac940c"'


def get(path, known=None, method="GET"):
    return record.request(method, path, headers=[] if known is None else ["If-None-Match: " + known])


requests = [
    get("/hashed"),
    get("/hashed?text=caf%C3%A9"),
    get("/hashed", method="HEAD"),
    get("/hashed", method="POST"),
    *(
        get("/hashed", known)
        for known in (
            BODY,
            "W/" + BODY,
            "w/" + BODY,
            BODY.strip('"'),
            BODY.upper(),
            "*",
            '"other"',
            '"other", ' + BODY,
            '"other",' + BODY,
            BODY + ', "other"',
            'W/"other", W/' + BODY,
            '"a,b", ' + BODY,
            '"", ' + BODY,
            '""',
            "other",
            "",
            '"*"',
            '"other", "more", "and more"',
            "garbage " + BODY,
            "caf\xe9, " + BODY,
            "*, " + BODY,
            '"other", *',
            "**",
            BODY + BODY,
            '"' + BODY,
            BODY[:-1],
        )
    ),
    get("/hashed", BODY, "HEAD"),
    get("/hashed", "*", "HEAD"),
    get("/hashed", BODY, "POST"),
    get("/hashed", "*", "POST"),
    get("/hashed?text=other", BODY),
    *(
        get("/tagged?kind=" + kind, known)
        for kind in ("own", "weak", "comma", "none")
        for known in (None, '"own"', 'W/"weak"', '"weak", W/"own"', '"a,b"', '"a", "b"', "*")
    ),
    get("/tagged?kind=own", '"own"', "HEAD"),
    *(
        get("/untagged/" + status, known)
        for status in ("201", "204", "304", "400", "404")
        for known in (None, "*")
    ),
    get("/nowhere", "*"),
    get("/old", "*"),
    record.request("GET", "/hashed", headers=['If-None-Match: "other"', "If-None-Match: " + BODY]),
    record.request("GET", "/hashed", headers=["If-Match: " + BODY]),
    record.request("GET", "/hashed", headers=['If-Match: "other"']),
    record.request("GET", "/hashed", headers=["If-Modified-Since: Wed, 21 Oct 2099 07:28:00 GMT"]),
]

record.run(app, requests)
