"""Static files in Tornado: `static_path`, and `StaticFileHandler` with a default file. Prints the answers; `renew.py`
keeps them. What is served is in `static/`."""

import hashlib
import os
import pathlib
import shutil
import tempfile

import record
import tornado.web

SERVED = pathlib.Path(__file__).resolve().parent / "static"
# Git does not keep the times of files.
MODIFIED = 1_700_000_000
AT = "Tue, 14 Nov 2023 22:13:20 GMT"
BEFORE = "Tue, 14 Nov 2023 22:13:19 GMT"
AFTER = "Tue, 14 Nov 2023 22:13:21 GMT"


class Urls(tornado.web.RequestHandler):
    def get(self):
        include_version = self.get_query_argument("version", "yes") == "yes"
        self.write(self.static_url(self.get_query_argument("path"), include_version=include_version))


def served():
    """A copy of the folder, with the time that all of its files have."""
    folder = pathlib.Path(tempfile.mkdtemp()) / "static"
    shutil.copytree(SERVED, folder)
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (MODIFIED, MODIFIED))
    return str(folder)


def app(**settings):
    folder = served()
    return tornado.web.Application(
        [
            (r"/urls", Urls),
            (r"/files/(.*)", tornado.web.StaticFileHandler, {"path": folder, "default_filename": "index.html"}),
            (r"/bare/(.*)", tornado.web.StaticFileHandler, {"path": folder + "/sub"}),
            (r"/one/(style\.css)", tornado.web.StaticFileHandler, {"path": folder}),
        ],
        static_path=folder,
        **settings,
    )


def version(name):
    return hashlib.sha512((SERVED / name).read_bytes()).hexdigest()


def asked(path, method="GET", **headers):
    headers = ["%s: %s" % (name.replace("_", "-"), value) for name, value in headers.items()]
    return record.request(method, path, headers=headers)


CSS = version("style.css")
DIGITS = version("digits.txt")

NAMES = (
    "style.css",
    "page.html",
    "index.html",
    "empty.txt",
    "data.json",
    "plain",
    "robots.txt",
    "favicon.ico",
    "all.png",
    "sp%20ace.txt",
    "%C3%A9.txt",
    "Upper.TXT",
    "packed.tar.gz",
    "picture.svg",
    "digits.txt",
    "sub/index.html",
    "sub/deep/text.txt",
    "sub%2Fdeep%2Ftext.txt",
    "bare/text.txt",
)

RANGES = (
    "bytes=0-0",
    "bytes=0-9",
    "bytes=10-19",
    "bytes=490-",
    "bytes=499-499",
    "bytes=-1",
    "bytes=-10",
    "bytes=-500",
    "bytes=-501",
    "bytes=-100000",
    "bytes=-0",
    "bytes=0-",
    "bytes=0-499",
    "bytes=0-500",
    "bytes=1-100000",
    "bytes=1-99999999999999999999999",
    "bytes=500-",
    "bytes=500-600",
    "bytes=99999999999999999999999-",
    "bytes=5-4",
    "bytes=5-3",
    "bytes=",
    "bytes=-",
    "bytes=7",
    "bytes = 3 - 4 ",
    "bytes=1-2,4-5",
    "bytes=0-0,-1",
    "bytes=a-b",
    "bytes=1-b",
    "bytes=a-1",
    "bytes=1.5-2",
    "bytes",
    "items=0-9",
    "Bytes=0-9",
    "",
)

TAGS = (
    '"%s"' % DIGITS,
    'W/"%s"' % DIGITS,
    '"other"',
    '"other", "%s"' % DIGITS,
    '"other", W/"%s", "third"' % DIGITS,
    "*",
    DIGITS,
    "",
    '"%s' % DIGITS,
    '"%s"' % DIGITS[:64],
)

DATES = (
    AT,
    BEFORE,
    AFTER,
    "Tuesday, 14-Nov-23 22:13:20 GMT",
    "Tue Nov 14 22:13:20 2023",
    "Tue, 14 Nov 2023 23:13:20 +0100",
    "Tue, 14 Nov 2023 23:13:19 +0100",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "yesterday",
    "1700000000",
    "",
)

requests = [
    # Each file, by each way to it.
    *(
        asked(prefix + name, method)
        for prefix in ("/static/", "/files/")
        for name in NAMES
        for method in ("GET", "HEAD")
    ),
    *(asked(path, method) for path in ("/favicon.ico", "/robots.txt") for method in ("GET", "HEAD", "POST")),
    *(asked(path) for path in ("/bare/index.html", "/bare/deep/text.txt", "/one/style.css", "/one/page.html")),
    # Nothing there.
    *(
        asked(path, method)
        for path in (
            "/static/nothing",
            "/static/nothing.css?v=1",
            "/static/sub/nothing",
            "/static/STYLE.CSS",
            "/static/style.css.css",
            "/static/style.css/below",
            "/static/..style.css",
            "/static",
            "/files",
            "/files/nothing",
            "/files/nothing/",
            "/bare/style.css",
        )
        for method in ("GET", "HEAD")
    ),
    # Folders.
    *(
        asked(path, method)
        for path in (
            "/static/",
            "/static/sub",
            "/static/sub/",
            "/files/",
            "/files/sub",
            "/files/sub/",
            "/files/sub?x=1",
            "/files/bare",
            "/files/bare/",
            "/files/sub/deep",
            "/files/s%75b",
            "/bare/",
            "/bare/deep",
        )
        for method in ("GET", "HEAD")
    ),
    # Methods.
    *(
        asked("/static/" + name, method)
        for name in ("style.css", "nothing", "sub")
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS")
    ),
    # Versions.
    *(
        asked(path, method)
        for path in ("/static/style.css?v=" + CSS, "/files/style.css?v=" + CSS, "/static/style.css?a=b&v=" + CSS)
        for method in ("GET", "HEAD")
    ),
    asked("/static/style.css?v=" + CSS, If_None_Match='"%s"' % CSS),
    asked("/static/style.css?v=" + CSS, Range="bytes=0-4"),
    asked("/static/style.css?a=b"),
    # Ranges.
    *(asked("/static/digits.txt", method, Range=value) for value in RANGES for method in ("GET", "HEAD")),
    *(asked("/static/empty.txt", Range=value) for value in ("bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0", "bytes=")),
    *(asked("/static/all.png", Range=value) for value in ("bytes=100-299", "bytes=-256", "bytes=1024-")),
    asked("/files/sub/", Range="bytes=2-8"),
    asked("/static/nothing", Range="bytes=0-1"),
    # What the client has.
    *(asked("/static/digits.txt", method, If_None_Match=tag) for tag in TAGS for method in ("GET", "HEAD")),
    *(asked("/static/digits.txt", method, If_Modified_Since=date) for date in DATES for method in ("GET", "HEAD")),
    *(
        asked("/static/digits.txt", If_None_Match=tag, If_Modified_Since=date, Range=value)
        for tag in ('"%s"' % DIGITS, '"other"')
        for date in (AT, BEFORE)
        for value in ("bytes=0-9", "bytes=500-", "bytes=1-2,4-5")
    ),
    *(
        asked("/static/digits.txt", If_Modified_Since=date, Range=value)
        for date in (AT, BEFORE)
        for value in ("bytes=0-9", "bytes=500-")
    ),
    asked("/static/nothing", If_None_Match="*"),
    asked("/static/empty.txt", If_None_Match="*"),
    # URLs.
    *(
        asked("/urls?path=" + path)
        for path in (
            "style.css",
            "style.css&version=no",
            "sub/deep/text.txt",
            "empty.txt",
            "nothing.css",
            "nothing.css&version=no",
            "sub",
            "../style.css",
            "/style.css",
            "sub/../../x",
        )
    ),
    # Two over one connection.
    [
        record.request("GET", "/static/style.css", ends=""),
        record.request("GET", "/static/digits.txt", headers=["Range: bytes=0-9"], ends=""),
        record.request("HEAD", "/static/all.png", ends=""),
        record.request("GET", "/static/nothing"),
    ],
]

if __name__ == "__main__":
    record.run(app(), requests)
