"""The programs of `examples/python` in native Tornado: what the servers among them answer, and what the others print.
Prints both; `tests/oracle/renew.py` keeps them.

    python3 programs.py                     the record
    python3 programs.py child HOW FILE PORT runs one of them, for the record
"""

import asyncio
import json
import os
import pathlib
import re
import runpy
import socket
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXAMPLES = ROOT / "examples" / "python" / "handlers"
sys.path.insert(0, str(ROOT / "tests" / "oracle"))

FORM = "Content-Type: application/x-www-form-urlencoded"
JSON = "Content-Type: application/json"
BOUNDARY = "Content-Type: multipart/form-data; boundary=xx"
FILE = (
    "--xx\r\n"
    'Content-Disposition: form-data; name="file"; filename="a.txt"\r\n'
    "Content-Type: text/plain\r\n\r\n"
    "some text\r\n"
    "--xx--\r\n"
)


def servers(request):
    """The programs that answer, the place of each in `examples/python/waterspout.toml`, and what they are asked."""
    hello = [
        request("GET", "/"),
        request("HEAD", "/"),
        request("GET", "/", version="HTTP/1.0"),
        request("GET", "/", headers=['If-None-Match: "e02aa1b106d5c7c6a98def2b13005d5b84fd8dc8"']),
        request("POST", "/", body="a=b", headers=[FORM]),
        request("DELETE", "/"),
        request("GET", "/nothing"),
    ]
    return {
        "/hello": ("hello_world.py", hello),
        "/structure": ("structure.py", hello),
        "/guide": (
            "guide/app.py",
            [
                request("GET", "/"),
                request("GET", "/story/1"),
                request("GET", "/story/one"),
                request("GET", "/myform"),
                request("POST", "/myform", body="message=hello+there", headers=[FORM]),
                request("POST", "/myform", body="other=1", headers=[FORM]),
                request("POST", "/upload", body=FILE, headers=[BOUNDARY]),
                request("POST", "/upload", body="--xx", headers=[BOUNDARY]),
                request("POST", "/json", body='{"a": [1, "two"]}', headers=[JSON]),
                request("POST", "/json", body="a=b", headers=[FORM]),
                request("POST", "/json", body="{", headers=[JSON]),
                request("GET", "/errors/teapot"),
                request("GET", "/errors/plain"),
                request("GET", "/errors/finish"),
                request("GET", "/app"),
                request("GET", "/pictures/cat"),
                request("GET", "/photos/cat"),
                request("GET", "/photos/a%20b"),
                request("GET", "/interleave", version="HTTP/1.0"),
                request("GET", "/fetch"),
                request("PUT", "/nothing", body="x"),
                request("GET", "/nothing?a=b"),
            ],
        ),
        "/chat": (
            "chat/app.py",
            [request("GET", "/"), request("POST", "/a/message/new"), request("GET", "/a/message/new")],
        ),
        "/crawler": ("crawler/app.py", [request("GET", "/")]),
        "/upload": (
            "upload/app.py",
            [
                request("GET", "/"),
                request("PUT", "/digest", body="x" * 10_000),
                request("PUT", "/digest"),
                request("GET", "/numbers?count=3", version="HTTP/1.0"),
                request("GET", "/numbers?count=none"),
            ],
        ),
        "/scripts": (
            "scripts/app.py",
            [
                request("GET", "/"),
                request("GET", "/run/multi"),
                request("GET", "/run/async_generator"),
                request("GET", "/run/nothing"),
            ],
        ),
        "/gone": (HERE / "gone.py", [request("GET", "/")]),
    }


# The programs that print and end, or print for ever.
SCRIPTS = [
    "scripts/async_generator.py",
    "scripts/asynchronous_fetch.py",
    "scripts/blocking_fetch.py",
    "scripts/coroutine_fetch.py",
    "scripts/future_fetch.py",
    "scripts/multi.py",
    "crawler/webspider.py",
    "minute_loop.py",
]

# What the spider finds, wherever it begins.
PAGES = {
    "/en/stable/": '<a href="guide.html">guide</a> <a href="gen.html#tornado.gen.coroutine">gen</a>'
    '<a href="http://elsewhere.example/">elsewhere</a> <a>nothing</a>',
    "/en/stable/guide.html": '<p><a href="/en/stable/guide/queues.html">queues</a><a href="missing.html">missing</a>',
    "/en/stable/guide/queues.html": '<a href="../gen.html">gen</a>',
    "/en/stable/gen.html": "<a href='#here'>here</a>",
}


# Its ten workers print in an order that differs with each run.
UNORDERED = "crawler/webspider.py"


def printed(file, text):
    """Its lines, without times."""
    lines = [re.sub(r"in (\d+ seconds|[A-Z].*)", "in …", line) for line in text.splitlines()]
    return sorted(lines) if file == UNORDERED else lines


# In a child.


def child(how, file, port):
    """Runs a program, whose one socket listens on a free port, or whose requests all go to one."""
    import tornado.netutil
    import tornado.tcpclient
    import tornado.tcpserver

    def bind_sockets(*_, **__):
        sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
        print(sockets[0].getsockname()[1], flush=True)
        return sockets

    connect = tornado.tcpclient.TCPClient.connect

    def to_port(client, host, _, *args, **kwargs):
        return connect(client, "127.0.0.1", int(port), *args, **kwargs)

    if how == "serve":
        tornado.tcpserver.bind_sockets = bind_sockets
    else:
        tornado.tcpclient.TCPClient.connect = to_port
    sys.path[0] = str(pathlib.Path(file).parent)
    os.chdir(sys.path[0])
    sys.argv[:] = [file]
    runpy.run_path(file, run_name="__main__")


def begin(how, file, port=0):
    command = [sys.executable, "-B", "-W", "ignore", "-u", __file__, "child", how, str(EXAMPLES / file), str(port)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


# In the parent.


async def peer():
    """A server with the pages, which says hello at `/`."""
    import tornado.httpserver
    import tornado.netutil
    import tornado.web

    class Page(tornado.web.RequestHandler):
        def get(self):
            path = self.request.path
            if path == "/":
                self.write("Hello, world")
            elif path in PAGES:
                self.write(PAGES[path])
            else:
                raise tornado.web.HTTPError(404)

    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    tornado.httpserver.HTTPServer(tornado.web.Application([(".*", Page)])).add_sockets(sockets)
    return sockets[0].getsockname()[1]


def answers(record):
    """What each server answers. What is sent begins with the server's place; it does not see that."""
    all_answers = []
    for place, (file, requests) in servers(record.request).items():
        server = begin("serve", file)
        try:
            port = int(server.stdout.readline())
            for sent in requests:
                head, end, body = sent.partition("\r\n\r\n")
                answer = record.ask(port, [f"{head}\r\nX-Forwarded-Prefix: {place}{end}{body}"])
                all_answers.append({**answer, "sent": [sent.replace(" /", f" {place}/", 1)]})
        finally:
            server.kill()
    return all_answers


def streams():
    """What comes back from the server of streams."""
    sent = "hello\nthere\nno line"
    server = begin("serve", "echo_server.py")
    try:
        with socket.create_connection(("127.0.0.1", int(server.stdout.readline())), timeout=10) as client:
            client.sendall(sent.encode())
            client.shutdown(socket.SHUT_WR)
            received = b""
            while piece := client.recv(65536):
                received += piece
        return {"sent": sent, "received": received.decode()}
    finally:
        server.kill()


async def prints():
    port = await peer()
    result = {}
    for file in SCRIPTS:
        script = begin("run", file, port)
        try:
            text, _ = await asyncio.to_thread(script.communicate, timeout=4)
        except subprocess.TimeoutExpired:
            # It goes on for ever.
            script.kill()
            text, _ = script.communicate()
        result[file] = printed(file, text)
    return result


def main():
    import record

    print(
        json.dumps(
            {
                "answers": answers(record),
                "streams": streams(),
                "prints": asyncio.run(prints()),
                "pages": PAGES,
            },
            indent=1,
            ensure_ascii=False,
        )
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(*sys.argv[2:])
    else:
        main()
