"""A WSGI app without a framework: what PEP 3333 says."""

import asyncio
import json
import sys
import threading

closed = []


class Pieces:
    """Yields pieces, and knows how often it was asked."""

    def __init__(self, name, pieces):
        self.name, self.pieces = name, iter(pieces)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.pieces)

    def close(self):
        closed.append(self.name)


def plain(headers=()):
    return [("Content-Type", "text/plain"), *headers]


def echo(environ, start_response):
    body = environ["wsgi.input"].read()
    said = {key: value for key, value in environ.items() if isinstance(value, str)}
    said["body"] = body.decode("latin-1")
    said["version"] = environ["wsgi.version"]
    start_response("200 Fine", plain([("X-Twice", "1"), ("X-Twice", "2")]))
    return [json.dumps(said).encode()]


def endless(environ, start_response):
    """A client that does not read holds up this answer, and no other."""
    start_response("200 OK", plain())
    return Pieces("endless", iter(lambda: b"x" * 65536, None))


def streamed(environ, start_response):
    """The second piece is made when another request has asked for it, which has to be before the first is whole."""
    start_response("200 OK", plain())
    released.clear()

    def pieces():
        yield b"first\n"
        while not released:
            yield b""
            yield b".\n"
        yield b"last\n"

    return Pieces("streamed", pieces())


released = []


def release(environ, start_response):
    released.append(True)
    start_response("204 No Content", [])
    return []


def written(environ, start_response):
    write = start_response("200 OK", plain())
    write(b"written ")
    return [b"and returned"]


def sized(environ, start_response):
    """A generator that knows its length, as frameworks have it; what is too much is left out."""
    start_response("200 OK", plain([("Content-Length", "5")]))
    return Pieces("sized", [b"12", b"345", b"678"])


def replaced(environ, start_response):
    start_response("200 OK", plain())
    try:
        raise ValueError("on the way")
    except ValueError:
        start_response("503 Not Now", plain(), sys.exc_info())
    return [b"replaced"]


def fails(environ, start_response):
    raise ValueError("as it was told")


def fails_late(environ, start_response):
    start_response("200 OK", plain())

    def pieces():
        yield b"begun"
        raise ValueError("too late")

    return Pieces("fails_late", pieces())


def silent(environ, start_response):
    return [b"no head"]


def waits(environ, start_response):
    """A coroutine of its own, as in a thread."""

    async def sleeps():
        await asyncio.gather(asyncio.sleep(0.01), asyncio.sleep(0.02))
        return threading.current_thread().name

    start_response("200 OK", plain())
    return [asyncio.run(sleeps()).encode()]


def is_closed(environ, start_response):
    start_response("200 OK", plain())
    return [json.dumps(closed).encode()]


def application(environ, start_response):
    function = globals().get(environ["PATH_INFO"].strip("/").split("/")[0], echo)
    return function(environ, start_response)


# Nobody has this one served: `application` goes first.
def app(environ, start_response):
    raise NotImplementedError
