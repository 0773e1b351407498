"""Tornado's `websocket_connect`, with the host in the place of its sockets: it connects to what `allow.http` grants, and
does the protocol.
"""


import tornado.httpclient
import tornado.websocket
from tornado import escape, httputil, simple_httpclient
from tornado.concurrent import Future
from tornado.httpclient import HTTPError
from tornado.ioloop import IOLoop
from tornado.queues import Queue
from tornado.websocket import WebSocketClientConnection, WebSocketError

from .event_loop import loop
from .tornado_websocket import Output, message_of, refused
from componentize_py_types import Err
from wit_world.imports import websocket_client as host

# The time limit of Tornado for a connection whose user names none, in seconds.
CONNECT_TIMEOUT = 20.0

# What `offered` says by itself.
LEFT_OUT = {
    "connection",
    "host",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "upgrade",
}


class HostProtocol:
    """What `WebSocketClientConnection` asks of the protocol of its connection."""

    def __init__(self, connection):
        self.selected_subprotocol = connection.selected_subprotocol()
        self._connection = connection
        self._output = Output(connection.send, connection.writable)

    def write_message(self, message, binary=False):
        return self._output.send(message_of(message, binary))

    def write_ping(self, data):
        if len(data) > 125:
            raise ValueError("control frame payloads may not exceed 125 bytes")
        try:
            self._connection.ping(data)
        except Err as error:
            raise refused(error.value) from None

    def close(self, code=None, reason=None):
        try:
            self._connection.close(1000 if code is None and reason is not None else code, reason)
        except Err as error:
            raise refused(error.value) from None


class HostClientConnection(WebSocketClientConnection):
    def __init__(self, request, on_message_callback):
        self.request = request
        self.connect_future = Future()
        self.read_queue = Queue(1)
        self.io_loop = IOLoop.current()
        self.headers = self.protocol = None
        self.close_code = self.close_reason = None
        self._on_message_callback = on_message_callback

    def __del__(self):
        """Tornado warns of a connection that was not closed. The host closes it."""

    async def run(self, handshake):
        """Connects, and then reads to the end."""
        try:
            with await host.connect(handshake) as connection:
                self.protocol = HostProtocol(connection)
                self.headers = httputil.HTTPHeaders()
                for name, value in connection.headers():
                    self.headers.add(name, value.decode("latin-1"))
                if not self.connect_future.done():
                    self.connect_future.set_result(self)
                await self._read(connection)
        except Err as error:
            if not self.connect_future.done():
                self.connect_future.set_exception(_fault(error.value, self.request))

    async def _read(self, connection):
        while True:
            try:
                message = connection.take()
            except Err:
                break
            if message is None:
                await connection.ready()
                continue
            try:
                waits = self.on_message(message.value)
                if waits is not None:
                    await waits
            except Exception as error:
                self.log_exception(type(error), error, error.__traceback__)
                break
        self.close_code, self.close_reason = connection.close_code(), connection.close_reason()
        self.protocol = None
        waits = self._on_message(None)
        if waits is not None:
            await waits


def _fault(error, request):
    """The host's error, as Tornado's or Python's."""
    if isinstance(error, host.ConnectError_Refused):
        code = error.value.status
        if 200 <= code < 300:
            return WebSocketError("Non-websocket response")
        headers = httputil.HTTPHeaders()
        for name, value in error.value.headers:
            headers.add(name, value.decode("latin-1"))
        return HTTPError(code, response=tornado.httpclient.HTTPResponse(request, code, headers))
    if isinstance(error, host.ConnectError_Timeout):
        return simple_httpclient.HTTPTimeoutError("Timeout while connecting")
    said = getattr(error, "value", str(error))
    if isinstance(error, host.ConnectError_NotGranted):
        origin = "/".join(request.url.split("/")[:3])
        return HTTPError(599, f'{said}; it is granted by `allow = {{ http = ["http{origin[2:]}"] }}`')
    if isinstance(error, host.ConnectError_Unreachable):
        return ConnectionRefusedError(said)
    return WebSocketError(said)


def _nanoseconds(seconds):
    return int(seconds * 1e9) if seconds else None


def websocket_connect(
    url,
    callback=None,
    connect_timeout=None,
    on_message_callback=None,
    compression_options=None,
    ping_interval=None,
    ping_timeout=None,
    max_message_size=tornado.websocket._default_max_message_size,
    subprotocols=None,
    resolver=None,
):
    if isinstance(url, tornado.httpclient.HTTPRequest):
        assert connect_timeout is None
        request = url
        # It may be used again, and its headers are another type then.
        headers = httputil.HTTPHeaders(request.headers)
        connect_timeout = request.connect_timeout
    else:
        request = tornado.httpclient.HTTPRequest(url, connect_timeout=connect_timeout)
        headers = request.headers
    if not request.url.startswith(("ws:", "wss:")):
        raise ValueError(f"{request.url!r}: a WebSocket's URL begins with ws: or wss:")
    fields = [
        (name.lower(), escape.utf8(value)) for name, value in headers.get_all() if name.lower() not in LEFT_OUT
    ]
    compression = None
    if compression_options is not None:
        compression = host.OfferedCompression(compression_options.get("compression_level"))
    if ping_interval and ping_timeout:
        ping_timeout = min(ping_timeout, ping_interval)
    handshake = host.Handshake(
        request.url,
        fields,
        list(subprotocols or ()),
        compression,
        _nanoseconds(CONNECT_TIMEOUT if connect_timeout is None else connect_timeout),
        _nanoseconds(ping_interval),
        _nanoseconds(ping_timeout) if ping_interval else None,
        max_message_size,
    )
    connection = HostClientConnection(request, on_message_callback)
    task = loop.create_task(connection.run(handshake))
    connection.connect_future.add_done_callback(lambda future: future.cancelled() and task.cancel())
    if callback is not None:
        IOLoop.current().add_future(connection.connect_future, callback)
    return connection.connect_future


tornado.websocket.websocket_connect = websocket_connect
