"""WSGI apps (PEP 3333)."""

import contextvars
import io
import sys
import urllib.parse
from asyncio import sleep

from . import tornado_server
from .event_loop import loop
from .exchange import Disconnected, Exchange, log_uncaught
from .tornado_websocket import Refusal
from componentize_py_types import Err
from wit_world.imports import request_body

_SAME_FOR_ALL = {
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "Waterspout",
    "wsgi.version": (1, 0),
    "wsgi.multithread": False,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
}
_PORTS = {"http": "80", "https": "443"}

_names = {}  # of a header -> in `environ`


class WsgiServer:
    """Serves one app."""

    def __init__(self, app):
        self._app = app

    def serve(self, frame, number, method, uri, headers):
        exchange = Exchange(frame, number, method, uri, headers)
        if not exchange.has_body():
            self._answer(exchange, b"")
        elif (taken := request_body.take_body(number)) is None:
            loop.create_task(self._read(exchange))
        else:
            self._take(exchange, taken)
        return exchange

    def accept(self, frame, call, line, fields):
        """It knows no sockets, so a handshake is a request like any other."""
        return self.serve(Refusal(frame), call.request, "GET", line.uri, fields)

    async def _read(self, exchange):
        while (taken := request_body.take_body(exchange.number)) is None:
            await request_body.wait_body(exchange.number)
        self._take(exchange, taken)

    def _take(self, exchange, taken):
        if isinstance(taken, Err):
            exchange.refuse(taken)
        else:
            self._answer(exchange, taken.value)

    def _answer(self, exchange, body):
        """Runs the app up to the end of the response, or else up to its first piece."""
        answer = _Answer(exchange)
        try:
            piece = answer.run(answer.begin, self._app, _environ(exchange, body))
        except BaseException as error:
            _close(answer)
            exchange.fail(error)
            return
        if piece is None and not exchange.keeps_length():
            exchange.end(b"".join(answer.pieces))
            _close(answer)
        else:
            loop.create_task(_stream(answer, piece))


async def _stream(answer, piece):
    exchange = answer.exchange
    try:
        while piece is not None:
            await exchange.flush(piece)
            # The client may read as fast as the app makes it.
            await sleep(0)
            if exchange.is_gone:
                return
            piece = answer.run(answer.next)
        if exchange.keeps_length():
            await exchange.flush(b"")
        exchange.end(b"".join(answer.pieces))
    except Disconnected:
        exchange.close()
    except BaseException as error:
        exchange.fail(error)
    finally:
        _close(answer)


def _close(answer):
    try:
        answer.run(answer.close)
    except BaseException:
        log_uncaught()


class _Answer:
    """The app's response, in the making."""

    def __init__(self, exchange):
        self.exchange = exchange
        self.pieces = []  # what is not sent yet
        self._iterable = self._rest = None
        self._left = None  # bytes of `Content-Length` that are missing
        self._context = contextvars.copy_context()

    def run(self, function, *args):
        """Runs one of the functions below, in the context that they share."""
        return self._context.run(loop.call_blocking, function, *args)

    def begin(self, app, environ):
        """Calls the app. Returns what `next` does."""
        self._iterable = iterable = app(environ, self._start_response)
        if isinstance(iterable, (list, tuple)):
            for piece in iterable:
                self._add(piece)
            self._check()
            return None
        self._rest = iter(iterable)
        return self.next()

    def next(self):
        """Returns the next piece to be sent before the app is asked for more; at the end, None."""
        for piece in self._rest:
            self._add(piece)
            # As long as the app has said, and no piece is to come.
            if self.pieces and self._left != 0:
                pieces, self.pieces = self.pieces, []
                return b"".join(pieces)
        self._check()
        return None

    def close(self):
        iterable, self._iterable = self._iterable, None
        close = getattr(iterable, "close", None)
        if close is not None:
            close()

    def _check(self):
        if self.exchange.status is None:
            raise RuntimeError("the app has not called `start_response`")

    def _add(self, piece):
        self._check()
        if not isinstance(piece, bytes):
            raise TypeError(f"a piece of the response has to be bytes, and not {type(piece).__name__}")
        if self._left is not None:
            piece = piece[: self._left]
            self._left -= len(piece)
        if piece:
            self.pieces.append(piece)

    def _start_response(self, status, headers, exc_info=None):
        if exc_info:
            try:
                if self.exchange.is_flushed:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.exchange.status is not None:
            raise RuntimeError("`start_response` was called before, and there is no `exc_info`")
        code, _, reason = status.partition(" ")
        fields = [(name.lower(), value.strip().encode("latin-1")) for name, value in headers]
        self._left = None
        for name, value in fields:
            if name == "content-length":
                self._left = int(value)
        self.exchange.begin(int(code), reason, fields)
        return self._add


def _environ(exchange, body):
    line = exchange.line
    host, port = server_of(line)
    environ = _SAME_FOR_ALL.copy()
    environ["REQUEST_METHOD"] = exchange.method
    environ["PATH_INFO"] = urllib.parse.unquote_to_bytes(line.path).decode("latin-1")
    environ["QUERY_STRING"] = line.query
    environ["REQUEST_URI"] = environ["RAW_URI"] = exchange.uri
    environ["SERVER_PROTOCOL"] = line.version
    environ["SERVER_NAME"], environ["SERVER_PORT"] = host, str(port)
    environ["REMOTE_ADDR"] = line.remote_ip
    environ["wsgi.url_scheme"] = line.protocol
    environ["wsgi.input"] = io.BytesIO(body)
    environ["wsgi.errors"] = sys.stderr
    for name, value in exchange.headers:
        # An underscore would pass for the hyphen of another header. The body is here as a whole, however it came.
        if "_" in name or name == "transfer-encoding":
            continue
        key = _names.get(name) or _name(name)
        value = value.decode("latin-1")
        if key in environ:
            value = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + value
        environ[key] = value
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def _name(header):
    key = header.upper().replace("-", "_")
    if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = "HTTP_" + key
    # Clients choose the names, so not all of them are kept.
    if len(_names) < 100:
        _names[header] = key
    return key


def server_of(line):
    """The name and the port by which the client has called the server."""
    host, colon, port = line.host.rpartition(":")
    if not colon or not port.isdigit():
        host, port = line.host, _PORTS[line.protocol]
    return host.strip("[]"), int(port)
