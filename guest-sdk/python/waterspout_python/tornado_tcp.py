"""Tornado's `TCPServer` and `TCPClient`, over sockets of the host: `[[tcp]]` of the configuration says where it listens for an
app, `allow.tcp` what the app may connect to.
"""

import datetime
import json
import logging

import tornado.gen
import tornado.iostream
import tornado.tcpclient
from tornado.concurrent import Future
from tornado.iostream import IOStream, SSLIOStream

from . import host_log, host_socket
from .event_loop import loop
from .host_socket import HostSocket
from componentize_py_types import Err, Ok
from wit_world.imports import streams as host

servers = {}  # port -> server, in the order in which they began to listen

_open = {}  # stream number -> HostSocket, until it is closed


def listen(server, port):
    # TLS is the host's.
    server.ssl_options = None
    servers[port] = server
    host_log.info(f"{type(server).__name__} listens on port {port}: its streams are those of a `[[tcp]]` of waterspout.toml")


async def serve():
    """Serves the streams that clients open, as long as there are some."""
    while (news := await host.next()) is not None:
        for opened in news.opened:
            _begin(opened)
        for number in news.readable:
            stream = _open.get(number)
            if stream is not None:
                stream.readable()
        for number in news.cancelled:
            stream = _open.get(number)
            if stream is not None:
                stream.abort()


def _begin(opened):
    number = opened.stream
    stream = HostSocket(connection=opened.connection)
    stream.is_told = True
    stream.on_close = lambda: _end(number)
    _open[number] = stream
    server = _server_of(opened)
    if server is None:
        logging.getLogger("tornado.general").error("a stream has come, and the app has no TCPServer that listens")
        stream.close()
    else:
        server._handle_connection(stream, host_socket.address_of(opened.address))


def _server_of(opened):
    """The server whose port this is, or which the listener's `kwargs` name by its port, or the first."""
    port = json.loads(opened.kwargs).get("port") if opened.kwargs else None
    if port is None:
        local = host_socket.address_of(opened.connection.local_address())
        port = local[1] if local else None
    return servers.get(port) or next(iter(servers.values()), None)


def _end(number):
    del _open[number]
    host.end(number, Ok(None))


class HostSSLIOStream(SSLIOStream):
    """A stream whose TLS is the host's. For the guest it is like any other."""

    def wait_for_handshake(self):
        future = Future(loop=loop)
        future.set_result(self)
        return future


for _name in (
    "__init__",
    "_handle_connect",
    "_handle_read",
    "_handle_write",
    "_is_connreset",
    "connect",
    "read_from_fd",
    "reading",
    "write_to_fd",
    "writing",
):
    setattr(HostSSLIOStream, _name, getattr(IOStream, _name))


def _start_tls(self, server_side, ssl_options=None, server_hostname=None):
    if (
        self._read_future
        or self._write_futures
        or self._connect_future
        or self._closed
        or self._read_buffer
        or self._write_buffer
    ):
        raise ValueError("IOStream is not idle; cannot convert to SSL")
    return loop.create_task(_with_tls(self, server_side, server_hostname))


async def _with_tls(plain, server_side, server_hostname):
    """The stream that goes on where this one ends."""
    connected = plain.socket
    plain.io_loop.remove_handler(connected)
    plain.socket, plain._state = None, None
    close_callback, plain._close_callback = plain._close_callback, None
    try:
        if server_side:
            await connected.connection.accept_tls()
        else:
            await connected.connection.start_tls(server_hostname or connected.getpeername()[0])
    except Err as error:
        connected.close()
        said = getattr(error.value, "value", None)
        raise tornado.iostream.StreamClosedError(OSError(said)) from None
    stream = HostSSLIOStream(
        connected, max_buffer_size=plain.max_buffer_size, read_chunk_size=plain.read_chunk_size
    )
    stream.set_close_callback(close_callback)
    return stream


async def _connect(
    self,
    host,
    port,
    af=0,
    ssl_options=None,
    max_buffer_size=None,
    source_ip=None,
    source_port=None,
    timeout=None,
):
    """`TCPClient.connect`: the host looks the name up, and tries its addresses."""
    if isinstance(timeout, datetime.timedelta):
        timeout = timeout.total_seconds()
    try:
        connection = await host_socket.open_connection(host, port, ssl_options is not None, timeout)
    except TimeoutError:
        raise tornado.gen.TimeoutError(f"Timeout while connecting to {host}:{port}") from None
    except ConnectionRefusedError as error:
        raise tornado.iostream.StreamClosedError(error) from error
    stream = IOStream if ssl_options is None else HostSSLIOStream
    return stream(HostSocket(connection=connection), max_buffer_size=max_buffer_size)


IOStream.start_tls = _start_tls
tornado.tcpclient.TCPClient.connect = _connect
