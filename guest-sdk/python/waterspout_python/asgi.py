"""ASGI apps (ASGI 3.0): HTTP, WebSockets, and the app's lifespan."""

import asyncio
import logging
import traceback
import urllib.parse

from . import asgi_websocket, tornado_server
from .event_loop import loop
from .exchange import Disconnected, Exchange, log_uncaught
from .wsgi import server_of
from componentize_py_types import Err

VERSIONS = {"version": "3.0", "spec_version": "2.4"}
_HTTP_VERSIONS = {"HTTP/1.0": "1.0", "HTTP/1.1": "1.1", "HTTP/2.0": "2"}
_DISCONNECT = {"type": "http.disconnect"}


class AsgiServer:
    """Serves one app."""

    def __init__(self, app):
        self._app = app
        self._state = {}
        self._lifespan = None
        self._tasks = set()

    async def start(self):
        """Has the app start up. Returns why it can't, if so."""
        self._lifespan = _Lifespan(self._app, self._state)
        return await self._lifespan.start()

    async def stop(self):
        await self._lifespan.stop()

    def serve(self, frame, number, method, uri, headers):
        request = _Request(frame, number, method, uri, headers)
        scope = scope_of(request, "http", request.line.protocol, self._state)
        scope["method"] = method
        task = loop.create_task(request.run(self._app, scope))
        # The app may go on after its response.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return request


    def accept(self, frame, call, line, fields):
        """Begins a handshake. Returns what is to hear that its client is gone."""
        exchange = Exchange(frame, call.request, "GET", line.uri, fields)
        scope = scope_of(exchange, "websocket", "wss" if line.protocol == "https" else "ws", self._state)
        offered = b",".join(value for name, value in fields if name == "sec-websocket-protocol").decode("latin-1")
        scope["subprotocols"] = [name.strip() for name in offered.split(",") if name.strip()]
        socket, task = asgi_websocket.begin(self._app, scope, frame, call)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return socket


def scope_of(exchange, kind, scheme, state):
    """What the scopes of all connections have."""
    line = exchange.line
    return {
        "type": kind,
        "asgi": VERSIONS,
        "http_version": _HTTP_VERSIONS.get(line.version, "1.1"),
        "scheme": scheme,
        "path": urllib.parse.unquote(line.path),
        "raw_path": line.path.encode("utf-8"),
        "query_string": line.query.encode("utf-8"),
        "root_path": "",
        "headers": [(name.encode("ascii"), value) for name, value in exchange.headers],
        # The host does not say the client's port.
        "client": (line.remote_ip, 0) if line.remote_ip else None,
        "server": server_of(line),
        "state": state.copy(),
        "extensions": {},
    }


class _Request(Exchange):
    """One request, as the app has it."""

    def __init__(self, frame, number, method, uri, headers):
        super().__init__(frame, number, method, uri, headers)
        self._has_more = self.has_body()
        self._has_read = False
        self._is_over = False
        self._over = asyncio.Event()  # the response is complete, or the client is gone
        self._sending = asyncio.Lock()

    async def run(self, app, scope):
        try:
            await app(scope, self.receive, self.send)
        except BaseException as error:
            if self.is_gone and _is_of_disconnect(error):
                pass
            elif not self.is_settled:
                self.fail(error)
            else:
                log_uncaught()
        else:
            if not self.is_settled:
                self.fail("the app has returned, and has not ended the response")
        self._end()

    async def receive(self):
        if self._has_more and not self._is_over:
            try:
                piece = await tornado_server.next_piece(self.number)
            except Err as error:
                self._has_more = False
                self.is_gone = True
                self.refuse(error)
                self._end()
                return _DISCONNECT
            self._has_more = piece is not None
            self._has_read = True
            return {"type": "http.request", "body": piece or b"", "more_body": self._has_more}
        if not self._has_read and not self._is_over:
            self._has_read = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._over.wait()
        return _DISCONNECT

    async def send(self, message):
        kind = message["type"]
        if self.is_gone:
            raise Disconnected("the client is gone")
        if self._is_over:
            raise RuntimeError(f"the response is complete, and the app sends `{kind}`")
        if kind == "http.response.start":
            if self.status is not None:
                raise RuntimeError("the response has begun, and the app sends `http.response.start`")
            fields = [(bytes(name).decode("latin-1").lower(), bytes(value)) for name, value in message.get("headers", ())]
            self.begin(message["status"], None, fields)
        elif kind == "http.response.body":
            if self.status is None:
                raise RuntimeError("the response has not begun, and the app sends `http.response.body`")
            await self._send_body(bytes(message.get("body", b"")), message.get("more_body", False))
        else:
            raise RuntimeError(f"the app sends `{kind}`, which is not known here")

    async def _send_body(self, body, more):
        if more or self.is_flushed or self.keeps_length():
            async with self._sending:
                try:
                    if more or self.keeps_length():
                        await self.flush(body)
                        body = b""
                except Disconnected:
                    self.close()
                    raise
        if more:
            # The client may read as fast as the app makes it.
            await asyncio.sleep(0)
        else:
            self.end(body)
            self._end()

    def close(self):
        super().close()
        self._end()

    def _end(self):
        self._is_over = True
        self._over.set()


def _is_of_disconnect(error):
    """Whether an exception comes of it that the client is gone: frameworks raise their own for it."""
    while error is not None:
        if isinstance(error, Disconnected):
            return True
        error = error.__cause__ or error.__context__
    return False


class _Lifespan:
    """Startup and shutdown of the app, once for each instance."""

    def __init__(self, app, state):
        self._app, self._state = app, state
        self._events = asyncio.Queue()
        self._started, self._stopped = loop.create_future(), loop.create_future()
        self._task = None

    async def start(self):
        self._events.put_nowait({"type": "lifespan.startup"})
        self._task = loop.create_task(self._run())
        return await self._started

    async def stop(self):
        if not self._task.done():
            self._events.put_nowait({"type": "lifespan.shutdown"})
            await self._stopped

    async def _run(self):
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        try:
            await self._app(scope, self._events.get, self._send)
        except BaseException:
            if self._started.done():
                log_uncaught()
            else:
                # An app without lifespan. It may also be a fault of its startup, which is why it is said.
                logging.getLogger("waterspout").debug("the app has no lifespan: %s", traceback.format_exc().rstrip())
        _set(self._started, None)
        _set(self._stopped, None)

    async def _send(self, message):
        kind, said = message["type"], message.get("message") or "it does not say why"
        if kind == "lifespan.startup.complete":
            _set(self._started, None)
        elif kind == "lifespan.startup.failed":
            _set(self._started, f"the app's startup has failed: {said.rstrip()}")
        elif kind == "lifespan.shutdown.complete":
            _set(self._stopped, None)
        elif kind == "lifespan.shutdown.failed":
            logging.getLogger("waterspout").error("the app's shutdown has failed: %s", said.rstrip())
            _set(self._stopped, None)
        else:
            raise RuntimeError(f"the app sends `{kind}`, which is not known here")


def _set(future, value):
    if not future.done():
        future.set_result(value)
