"""Tornado's WebSocket handlers, with the host in the place of the protocol. The host keeps the socket, reads and writes its
frames, and calls with one event at a time.
"""

import asyncio
import collections
import functools
import sys

import tornado.websocket
from tornado import escape, gen, httputil
from tornado.concurrent import Future
from tornado.websocket import WebSocketClosedError, WebSocketProtocol13

from . import direct, listening, tornado_server
from .event_loop import loop
from componentize_py_types import Err
from wit_world.exports import handler as handler_types
from wit_world.exports import websocket as host
from wit_world.imports import request as host_request
from wit_world.imports import sockets

# Why the host closes a socket whose handler has failed (RFC 6455, section 7.4.1).
INTERNAL_ERROR = 1011

# Headers of the answer that the host makes.
LEFT_OUT = {
    "connection",
    "content-length",
    "date",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-protocol",
    "server",
    "upgrade",
}

_open = {}  # request number -> what is told of its socket

_done = Future(loop=loop)
_done.set_result(None)


class Refusal:
    """Stands in for the call of a handshake, where what answers it knows only requests."""

    __slots__ = ("_frame",)

    def __init__(self, frame):
        self._frame = frame

    def settle(self, outcome):
        self._frame.settle(host.Acceptance_Refused(outcome))


class Handshake(tornado_server.Connection):
    """A request that may become a socket. It has a usual response, unless it is accepted."""

    def __init__(self, frame, call, context):
        super().__init__(Refusal(frame), call.request, "GET", context)
        self.socket = call.socket
        self._handshake = frame

    def accept(self, told, subprotocol, compression, fields):
        """Accepts it. `told` hears of all that happens to the socket."""
        keep(self._request, told)
        fields = [field for field in fields if field[0].lower() not in LEFT_OUT]
        self._handshake.settle(host.Acceptance_Accepted(host.Accepted(subprotocol, compression, fields)))

    # What Tornado calls when it switches protocols.

    def write_headers(self, start_line, headers, chunk=None):
        if start_line.code != 101:
            return super().write_headers(start_line, headers, chunk)
        self._head = headers
        return _done

    def finish(self):
        if type(self._head) is tuple or self._head is None:
            super().finish()

    def detach(self):
        return SocketStream(self.socket)


def accept(frame, call):
    """Begins one handshake. Its frame is settled when it is known what becomes of it."""
    number = call.request
    line = host_request.head(number)
    fields = host_request.headers(number)
    if (server := listening.app_server) is not None:
        frame.ended = tornado_server.keep(number, server.accept(frame, call, line, fields))
        return
    if listening.direct is not None:
        direct.serve(Refusal(frame), number, "GET", handler_types.MessageHead(line.uri, fields))
        return
    headers = httputil.HTTPHeaders()
    for name, value in fields:
        headers.add(name, value.decode("latin-1"))
    # By HTTP/2 a handshake has other headers for the same (RFC 8441), and the host has checked them.
    if line.version == "HTTP/2.0":
        headers["Upgrade"], headers["Connection"] = "websocket", "Upgrade"
        headers["Sec-Websocket-Key"] = "none"
    connection = Handshake(frame, call, tornado_server.Context(line.remote_ip, line.protocol))
    start_line = httputil.RequestStartLine("GET", line.uri, line.version)
    frame.ended = tornado_server.keep(number, connection)
    tornado_server.begin(connection, start_line, headers, False)


def keep(number, told):
    """Keeps what is told of a socket."""
    _open[number] = told


def socket_of(call):
    return _open[call.request]


def closed(call):
    """What is told of a socket for the last time."""
    return _open.pop(call.request)


def cancel(number):
    """An event has taken too long."""
    told = _open.get(number)
    if told is not None:
        told.cancel()


def forget(number):
    """Its client was gone before the answer, or its time is up: no event will follow."""
    told = _open.pop(number, None)
    if told is not None:
        told.on_close(None, None, None)


class Output:
    """What an app sends to one socket, in its order."""

    def __init__(self, send, ready):
        self._send, self._ready = send, ready
        self._waiting = collections.deque()  # messages that the host does not take yet, each with its future

    def send(self, message):
        """Sends it. The future is done when the host has taken it."""
        if not self._waiting:
            try:
                self._send(message)
                return _done
            except Err as error:
                if not isinstance(error.value, sockets.Error_Full):
                    raise refused(error.value) from None
            loop.create_task(self._send_waiting())
        future = Future(loop=loop)
        self._waiting.append((message, future))
        return future

    async def _send_waiting(self):
        while self._waiting:
            message, future = self._waiting[0]
            failure = None
            try:
                await self._ready()
                self._send(message)
            except Err as error:
                if isinstance(error.value, sockets.Error_Full):
                    continue
                failure = refused(error.value)
            self._waiting.popleft()
            if future.done():
                continue
            if failure is None:
                future.set_result(None)
            else:
                future.set_exception(failure)
                future.exception()  # who sends need not look


def refused(error):
    """The host's error, as Tornado's or Python's."""
    if isinstance(error, sockets.Error_Closed):
        return WebSocketClosedError()
    if isinstance(error, sockets.Error_TooLarge):
        return ValueError(f"a message has at most {error.value} bytes")
    return ValueError(getattr(error, "value", str(error)))


def message_of(message, binary):
    """What an app says, as a message of the host."""
    if isinstance(message, dict):
        message = escape.json_encode(message)
    if binary:
        return sockets.Message_Binary(escape.utf8(message))
    return sockets.Message_Text(message if type(message) is str else escape.utf8(message).decode("utf-8"))


class SocketStream:
    """What Tornado asks of the stream of a socket."""

    __slots__ = ("_socket", "is_gone")

    def __init__(self, socket):
        self._socket, self.is_gone = socket, False

    def closed(self):
        return self.is_gone

    def set_nodelay(self, value):
        if not self.is_gone:
            sockets.set_nodelay(self._socket, bool(value))

    def close(self):
        """In Tornado it cuts the connection. The host says that the handler has failed."""
        if not self.is_gone:
            self.is_gone = True
            sockets.close(self._socket, INTERNAL_ERROR, None)


class HostProtocol(WebSocketProtocol13):
    """One socket of a handler."""

    def __init__(self, handler, mask_outgoing, params):
        super().__init__(handler, mask_outgoing, params)
        self._event = None  # what the handler does about the last event

    # What Tornado calls.

    async def accept_connection(self, handler):
        connection = handler.request.connection
        try:
            if not isinstance(connection, Handshake):
                raise ValueError
            self._handle_websocket_headers(handler)
        except ValueError:
            handler.set_status(400)
            handler.finish("Missing/Invalid WebSocket headers")
            return
        offered = handler.request.headers.get("Sec-WebSocket-Protocol")
        offered = [name.strip() for name in offered.split(",")] if offered else []
        self.selected_subprotocol = handler.select_subprotocol(offered)
        assert self.selected_subprotocol is None or self.selected_subprotocol in offered
        options, compression = self._compression_options, None
        if options is not None:
            level = options.get("compression_level", tornado.web.GZipContentEncoding.GZIP_LEVEL)
            # -1 is zlib's word for its usual level.
            compression = host.Compression(None if level == -1 else level)
        handler.clear_header("Content-Type")
        handler.set_status(101)
        handler.finish()
        self._socket = connection.socket
        self._output = Output(
            functools.partial(sockets.send, self._socket),
            functools.partial(sockets.ready, self._socket),
        )
        self.stream = handler._detach_stream()
        fields = [(name, value.encode("latin-1")) for name, value in handler._headers.get_all()]
        connection.accept(self, self.selected_subprotocol, compression, fields)

    def write_message(self, message, binary=False):
        return self._output.send(message_of(message, binary))

    def write_ping(self, data):
        if len(data) > 125:
            raise ValueError("control frame payloads may not exceed 125 bytes")
        try:
            sockets.ping(self._socket, data)
        except Err as error:
            if not isinstance(error.value, sockets.Error_Full):
                raise refused(error.value) from None

    def close(self, code=None, reason=None):
        if not self.server_terminated:
            self.server_terminated = True
            if not self.stream.closed():
                if code is None and reason is not None:
                    code = 1000
                try:
                    sockets.close(self._socket, code, reason)
                except Err as error:
                    raise refused(error.value) from None
        if self._ping_coroutine:
            self._ping_coroutine.cancel()
            self._ping_coroutine = None

    # What the host calls.

    def on_open(self, frame):
        handler = self.handler
        self.start_pinging()
        self._tell(frame, handler.open, *handler.open_args, **handler.open_kwargs)

    def on_message(self, frame, message):
        if self.client_terminated:
            frame.settle(None)
        elif len(message) > self.params.max_message_size:
            self.close(1009, "message too big")
            frame.settle(None)
        else:
            self._tell(frame, self.handler.on_message, message)

    def on_ping(self, frame, data):
        self._tell(frame, self.handler.on_ping, data)

    def on_pong(self, frame, data):
        self._received_pong = True
        self._tell(frame, self.handler.on_pong, data)

    def on_close(self, frame, code, reason):
        self.client_terminated = self.stream.is_gone = True
        try:
            self.handler.on_ws_connection_close(code, reason)
        except Exception:
            self.handler.log_exception(*sys.exc_info())
        if frame is not None:
            frame.settle(None)

    def cancel(self):
        if self._event is not None:
            self._event.cancel()

    def _tell(self, frame, callback, *args, **kwargs):
        """Calls the handler. The next event comes when that has ended."""
        try:
            result = callback(*args, **kwargs)
            event = None if result is None else gen.convert_yielded(result)
        except Exception:
            self._fail()
            event = None
        if event is None:
            frame.settle(None)
        else:
            self._event = event
            event.add_done_callback(functools.partial(self._told, frame))

    def _told(self, frame, event):
        self._event = None
        try:
            event.result()
        except (Exception, asyncio.CancelledError):
            self._fail()
        frame.settle(None)

    def _fail(self):
        self.handler.log_exception(*sys.exc_info())
        self._abort()


tornado.websocket.WebSocketProtocol13 = HostProtocol
