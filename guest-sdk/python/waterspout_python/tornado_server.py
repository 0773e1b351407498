"""Tornado's HTTP server, with the host in the place of its sockets. `HTTPServer.listen` only says who is to be called; a
connection is one request of the host, which goes the way of any other through Tornado.
"""

import logging
import mimetypes

# What is imported later, in functions, or by almost every app: here it is imported once for all instances.
import encodings.ascii
import encodings.idna
import encodings.latin_1
import encodings.unicode_escape
import encodings.utf_8_sig
import html.entities
import tornado.auth
import tornado.autoreload
import tornado.gen
import tornado.httpclient
import tornado.httpserver
import tornado.iostream
import tornado.locks
import tornado.options
import tornado.platform.asyncio
import tornado.process
import tornado.queues
import tornado.tcpserver
import tornado.web
import tornado.websocket
from tornado import http1connection, httputil
from tornado.concurrent import Future

from . import listening
from .event_loop import loop
from .server_options import Context
from componentize_py_types import Err
from wit_world.imports import request as host_request
from wit_world.imports import request_body, response as host_response
from wit_world.imports import waterspout_web_types as types

# The longest piece that the host takes at once.
PIECE = 1 << 20

_live = {}  # request number -> Connection, while its call is under way
_done = Future(loop=loop)
_done.set_result(None)


# A change of the app's files is a new version for the host, and requests go to instances of its choice.
tornado.autoreload.start = tornado.autoreload.wait = lambda *args, **kwargs: None
tornado.process.fork_processes = lambda *args, **kwargs: 0
mimetypes.init()

_format_timestamp = httputil.format_timestamp
_date = (None, "")


def _format_timestamp_once(timestamp):
    """`Date` of every response, made once a second."""
    global _date
    if type(timestamp) is not float:
        return _format_timestamp(timestamp)
    second = int(timestamp)
    if _date[0] != second:
        _date = (second, _format_timestamp(timestamp))
    return _date[1]


httputil.format_timestamp = _format_timestamp_once


class Stream:
    """What handlers ask of the stream of their connection."""

    __slots__ = ("_connection",)

    def __init__(self, connection):
        self._connection = connection

    def closed(self):
        return self._connection.is_gone

    def set_nodelay(self, value):
        pass


class Connection(httputil.HTTPConnection):
    """One request and its response."""

    def __init__(self, frame, request, method, context):
        self.context = context
        self.delegate = None
        self.no_keep_alive = False
        self.is_gone = False
        self._frame, self._request, self._method = frame, request, method
        self._head = None
        self._remaining = None  # of what `Content-Length` says
        self.max_body_size = None  # if the app has said it
        self._pieces = []
        self._waiters = None
        self._is_flushed = self._is_finished = self._is_sending = False
        self._close_callback = None

    # What Tornado calls.

    def write_headers(self, start_line, headers, chunk=None):
        fields = [(name, value.encode("latin-1")) for name, value in headers.get_all()]
        if start_line.code == 200 and self._method in ("GET", "HEAD") and "Etag" not in headers:
            # An empty one says that there is none. Otherwise the host would add its own.
            fields.append(("etag", b""))
        reason = None if httputil.responses.get(start_line.code) == start_line.reason else start_line.reason
        self._head = (start_line.code, reason, fields)
        if self._method != "HEAD" and start_line.code != 304 and "Content-Length" in headers:
            self._remaining = http1connection.parse_int(headers["Content-Length"])
        return self.write(chunk or b"")

    def write(self, chunk):
        if self.is_gone:
            waiter = Future(loop=loop)
            waiter.set_exception(tornado.iostream.StreamClosedError())
            waiter.exception()
            return waiter
        if chunk:
            if self._remaining is not None:
                self._remaining -= len(chunk)
                if self._remaining < 0:
                    self._fail_length("Tried to write more data than Content-Length")
            self._pieces.append(bytes(chunk))
        if self._is_finished:
            return _done
        # `finish` may follow before the loop turns. Then this is a whole response.
        waiter = Future(loop=loop)
        if self._waiters is None:
            self._waiters = [waiter]
            loop.unflushed.append(self)
        else:
            self._waiters.append(waiter)
        return waiter

    def finish(self):
        if self._remaining and not self.is_gone:
            self._fail_length(f"Tried to write {self._remaining} bytes less than Content-Length")
        self._is_finished = True
        if self.is_gone or self._is_sending:
            return  # `_send` goes on to the end
        if self._method == "HEAD" and not self._is_flushed:
            # A whole response would lose its `Content-Length`.
            self._begin_sending()
            return
        self._end()

    def _fail_length(self, message):
        """Ends a response that is not what it says, so that nobody takes it for a whole one."""
        self.is_gone = True
        waiters, self._waiters = self._waiters, None
        _resolve(waiters, tornado.iostream.StreamClosedError())
        self.fail(500)
        raise httputil.HTTPOutputError(message)

    def set_close_callback(self, callback):
        self._close_callback = callback

    def set_max_body_size(self, max_body_size):
        self.max_body_size = max_body_size

    def set_body_timeout(self, timeout):
        request_body.set_timeout(self._request, max(0, int(timeout * 1e9)))

    def detach(self):
        raise NotImplementedError("a connection belongs to the host")

    @property
    def stream(self):
        return Stream(self)

    # How it gets to the host.

    def flush_now(self):
        """What was written, and is no whole response."""
        if not self._is_finished and not self._is_sending:
            self._begin_sending()

    def _begin_sending(self):
        self._is_sending = True
        loop.create_task(self._send())

    async def _send(self):
        while self._waiters is not None and not self.is_gone:
            waiters, self._waiters = self._waiters, None
            body, self._pieces = b"".join(self._pieces), []
            failure = None
            try:
                for piece in pieces_of(body):
                    head = None if self._is_flushed else host_response.ResponseHead(*self._head)
                    self._is_flushed = True
                    await host_response.flush(self._request, head, piece)
            except Err as error:
                failure = tornado.iostream.StreamClosedError(error)
            _resolve(waiters, failure)
        self._is_sending = False
        if self._is_finished:
            self._end()

    def _end(self):
        """The end of the response: what was not sent yet."""
        waiters, self._waiters = self._waiters, None
        body, self._pieces = b"".join(self._pieces), []
        status, reason, fields = (200, None, []) if self._is_flushed else self._head
        self._frame.settle(types.Outcome_Finished(types.Response(status, reason, fields, body)))
        _resolve(waiters, None)

    def fail(self, status, message=None, cause=types.FailureCause_HttpError()):
        """The host makes the page."""
        self._frame.settle(types.Outcome_Failed(types.Failure(status, None, message, cause)))

    def close(self):
        """The client is gone, or the time is up."""
        self.is_gone = True
        callback, self._close_callback = self._close_callback, None
        waiters, self._waiters = self._waiters, None
        _resolve(waiters, tornado.iostream.StreamClosedError())
        try:
            if callback is not None:
                callback()
            if self.delegate is not None and not self._is_finished:
                self.delegate.on_connection_close()
        except Exception:
            logging.getLogger("tornado.application").error("Uncaught exception", exc_info=True)
        self._frame.settle(types.Outcome_Cancelled())


def pieces_of(body):
    return [body[at : at + PIECE] for at in range(0, len(body), PIECE)] or [b""]


def _resolve(waiters, failure):
    for waiter in waiters or ():
        if waiter.done():
            continue
        if failure is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(failure)
            waiter.exception()


def serve(frame, number, method, head):
    """Begins one request. Its frame is settled when the response is complete."""
    if (server := listening.app_server) is not None:
        frame.ended = keep(number, server.serve(frame, number, method, head.uri, head.headers))
        return
    line = host_request.head(number)
    headers = _headers_of(head.headers)
    has_body = (
        "Content-Length" in headers._as_list
        or "Transfer-Encoding" in headers._as_list
        or (line.version == "HTTP/2.0" and method not in ("GET", "HEAD", "OPTIONS"))
    )
    connection = Connection(frame, number, method, Context(line.remote_ip, line.protocol))
    frame.ended = keep(number, connection)
    begin(connection, httputil.RequestStartLine(method, head.uri, line.version), headers, has_body)


def keep(number, connection):
    """Keeps it while its call is under way. Returns what is to be called when that ends."""
    _live[number] = connection
    return lambda: _live.pop(number, None)


def begin(connection, start_line, headers, has_body):
    """Hands a request to Tornado."""
    try:
        if not listening.http_servers:
            return connection.fail(404)
        server = listening.http_servers[0]
        options = server.waterspout_options
        if not options.is_plain:
            options.apply(connection, has_body)
        delegate = connection.delegate = options.delegate(server.start_request(None, connection))
        prepared = delegate.headers_received(start_line, headers)
        if prepared is not None:
            loop.create_task(_prepared(connection, prepared, has_body and options))
        elif has_body:
            loop.create_task(_read_body(connection, options))
        else:
            delegate.finish()
    except httputil.HTTPInputError as error:
        _malformed(connection, error)
    except Exception:
        _uncaught(connection)


def _headers_of(fields):
    """The headers of a request. The host has checked them, so this is `HTTPHeaders.add` without its checks."""
    headers = httputil.HTTPHeaders.__new__(httputil.HTTPHeaders)
    lists, combined = headers._as_list, headers._combined_cache = {}, {}
    for name, value in fields:
        name, value = httputil._normalize_header(name), value.decode("latin-1")
        if name in lists:
            lists[name].append(value)
            combined.pop(name, None)
        else:
            lists[name] = [value]
            combined[name] = value
    return headers


def _uncaught(connection):
    logging.getLogger("tornado.application").error("Uncaught exception", exc_info=True)
    connection.fail(500)


def _malformed(connection, error):
    logging.getLogger("tornado.general").info("Malformed HTTP message from %s: %s", connection.context, error)
    connection.fail(400)


async def _prepared(connection, prepared, options):
    try:
        await prepared
        if not options:
            return connection.delegate.finish()
    except httputil.HTTPInputError as error:
        return _malformed(connection, error)
    except Exception:
        return _uncaught(connection)
    await _read_body(connection, options)


# The status for each reason why a body can't be had. The host has logged it.
STATUS = {
    request_body.BodyError_TooLarge: 413,
    request_body.BodyError_Timeout: 408,
}


async def _read_body(connection, options):
    """Hands the body to Tornado: as it comes to a handler that streams it, else whole."""
    request, delegate, chunk_size = connection._request, connection.delegate, options.chunk_size
    try:
        if connection.max_body_size is not None or _streams(delegate):
            _check_length(connection)
            size = 0
            while (piece := await next_piece(request)) is not None:
                size += len(piece)
                if connection.max_body_size is not None and size > connection.max_body_size:
                    raise httputil.HTTPInputError("chunked body too large")
                for at in range(0, len(piece), chunk_size):
                    waits = delegate.data_received(piece[at : at + chunk_size])
                    if waits is not None:
                        await waits
        else:
            body = await whole_body(request)
            if body:
                waits = delegate.data_received(body)
                if waits is not None:
                    await waits
        delegate.finish()
    except Err as error:
        connection.fail(STATUS.get(type(error.value), 400))
    except httputil.HTTPInputError as error:
        _malformed(connection, error)
    except Exception:
        _uncaught(connection)


def _check_length(connection):
    """Refuses a body that says itself that it is larger than the app has it."""
    if connection.max_body_size is not None:
        for length in host_request.header(connection._request, "content-length"):
            if int(length) > connection.max_body_size:
                raise httputil.HTTPInputError("Content-Length too long")


async def whole_body(request):
    while (taken := request_body.take_body(request)) is None:
        await request_body.wait_body(request)
    return _value(taken)


def _streams(delegate):
    """Whether what is behind Tornado's delegates takes a body as it comes: all but those of Tornado that put it together."""
    while (inner := getattr(delegate, "delegate", None)) is not None:
        delegate = inner
    is_callable = isinstance(delegate, tornado.httpserver._CallableAdapter)
    return getattr(delegate, "stream_request_body", not is_callable)


async def next_piece(request):
    while (taken := request_body.take_chunk(request)) is None:
        await request_body.wait_chunk(request)
    return _value(taken)


def _value(taken):
    """What was taken, or the error as an exception."""
    if isinstance(taken, Err):
        raise taken
    return taken.value


def cancel(number):
    connection = _live.pop(number, None)
    if connection is not None:
        connection.close()


def forget(number):
    _live.pop(number, None)
