"""Tornado's HTTP client, with the host in the place of its sockets. All that `SimpleAsyncHTTPClient` does stays: checks,
redirects, time limits, compression. Its connection hands one request to the host, which sends it where it is granted.
"""

import tornado.httpclient
from tornado import http1connection, httputil, simple_httpclient
from tornado.httpclient import HTTPError

from .event_loop import loop
import wit_world
from componentize_py_types import Err, Ok
from wit_world.imports import client as host
from wit_world.imports import wasi_http_types as http

METHODS = {
    "GET": http.Method_Get,
    "HEAD": http.Method_Head,
    "POST": http.Method_Post,
    "PUT": http.Method_Put,
    "DELETE": http.Method_Delete,
    "OPTIONS": http.Method_Options,
    "PATCH": http.Method_Patch,
}

# What the host says by itself.
LEFT_OUT = {"connection", "host", "keep-alive", "te", "transfer-encoding", "upgrade"}

# The longest piece of a body that is taken from the host at once.
PIECE = 64 * 1024


class Stream:
    """What the client asks of the stream of its connection."""

    def __init__(self):
        self.error = None
        self.task = None

    def set_close_callback(self, callback):
        pass

    def set_nodelay(self, value):
        pass

    def close(self):
        if self.task is not None:
            self.task.cancel()


class Connector:
    """Stands in for `TCPClient`: the host connects when it has the request."""

    async def connect(self, *args, **kwargs):
        return Stream()

    def close(self):
        pass


class Connection(httputil.HTTPConnection):
    """One request and its response."""

    def __init__(self, stream, request, url, max_body_size):
        self._stream, self._request, self._url = stream, request, url
        self._max_body_size = max_body_size
        self._writer = None
        self._written = None  # the last write

    def write_headers(self, start_line, headers, chunk=None):
        fields = [
            (name.lower(), value.encode("latin-1"))
            for name, value in headers.get_all()
            if name.lower() not in LEFT_OUT
        ]
        reader = None
        if self._request.body is not None or self._request.body_producer is not None:
            self._writer, reader = wit_world.byte_stream()
        request, _ = http.Request.new(http.Fields.from_list(fields), reader, _no_trailers(), None)
        method = METHODS.get(start_line.method)
        request.set_method(method() if method else http.Method_Other(start_line.method))
        request.set_scheme(http.Scheme_Https() if self._url.scheme == "https" else http.Scheme_Http())
        request.set_authority(self._url.netloc.rpartition("@")[2])
        request.set_path_with_query(start_line.path)
        self._stream.task = loop.create_task(host.send(request))

    def write(self, chunk):
        self._written = loop.create_task(self._write(self._written, bytes(chunk)))
        return self._written

    async def _write(self, before, chunk):
        if before is not None:
            await before
        await self._writer.write_all(chunk)

    def finish(self):
        if self._writer is not None:
            loop.create_task(self._finish())

    async def _finish(self):
        with self._writer:
            if self._written is not None:
                await self._written

    async def read_response(self, delegate):
        if self._request.decompress_response:
            delegate = http1connection._GzipMessageDelegate(delegate, PIECE, self._max_body_size)
        try:
            response = await self._stream.task
        except Err as error:
            raise _fault(error.value, self._url) from None
        status = response.get_status_code()
        headers = httputil.HTTPHeaders()
        for name, value in response.get_headers().copy_all():
            headers.add(name, value.decode("latin-1"))
        reason = httputil.responses.get(status, "Unknown")
        start_line = httputil.ResponseStartLine("HTTP/1.1", status, reason)
        await _if_it_waits(delegate.headers_received(start_line, headers))
        body, _ = http.Response.consume_body(response, _well())
        length = 0
        with body:
            while not body.writer_dropped:
                piece = await body.read(PIECE)
                if piece:
                    length += len(piece)
                    if length > self._max_body_size:
                        raise HTTPError(599, f"the body has more than {self._max_body_size} bytes (max_body_size)")
                    await _if_it_waits(delegate.data_received(piece))
        delegate.finish()


async def _if_it_waits(result):
    if result is not None:
        await result


def _no_trailers():
    return wit_world.result_option_wasi_http_types_fields_wasi_http_types_error_code_future(lambda: Ok(None))[1]


def _well():
    return wit_world.result_unit_wasi_http_types_error_code_future(lambda: Ok(None))[1]


def _fault(code, url):
    """The host's error, as Tornado's or Python's."""
    if isinstance(code, http.ErrorCode_HttpRequestDenied):
        origin = f"{url.scheme}://{url.netloc.rpartition('@')[2]}"
        return HTTPError(599, f'{origin} is not granted; it is by `allow = {{ http = ["{origin}"] }}`')
    if isinstance(code, http.ErrorCode_ConnectionRefused):
        return ConnectionRefusedError(f"{url.netloc} refuses connections")
    name = type(code).__name__.removeprefix("ErrorCode_")
    if "Timeout" in name:
        return simple_httpclient.HTTPTimeoutError(f"Timeout ({name})")
    said = getattr(code, "value", None)
    return HTTPError(599, name if said is None else f"{name}: {said}")


class HostConnection(simple_httpclient._HTTPConnection):
    def _create_connection(self, stream):
        return Connection(stream, self.request, self.parsed, self.max_body_size or self.max_buffer_size)

    def _get_ssl_options(self, scheme):
        """TLS is the host's, and its configuration says whom it trusts."""


class HostAsyncHTTPClient(simple_httpclient.SimpleAsyncHTTPClient):
    def initialize(self, *args, **kwargs):
        super().initialize(*args, **kwargs)
        self.tcp_client.close()
        self.tcp_client = Connector()

    def _connection_class(self):
        return HostConnection


# The default, and what apps name where they want no other.
simple_httpclient.SimpleAsyncHTTPClient = HostAsyncHTTPClient
tornado.httpclient.AsyncHTTPClient.configure(None)
