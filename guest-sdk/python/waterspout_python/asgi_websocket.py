"""The WebSockets of ASGI apps (ASGI 3.0): the host tells of one event after the other, and the app takes them when it
likes.
"""

import asyncio
import collections
import functools

from . import tornado_websocket
from .event_loop import loop
from .exchange import Disconnected, log_uncaught
from componentize_py_types import Err
from tornado.websocket import WebSocketClosedError
from wit_world.exports import websocket as host
from wit_world.imports import sockets
from wit_world.imports import waterspout_web_types as types

NORMAL, NO_CODE, ABNORMAL, INTERNAL_ERROR = 1000, 1005, 1006, 1011


class AsgiSocket:
    """One socket, or what may become one."""

    def __init__(self, frame, call):
        self._frame, self._number, self._socket = frame, call.request, call.socket
        self._output = tornado_websocket.Output(
            functools.partial(sockets.send, call.socket), functools.partial(sockets.ready, call.socket)
        )
        self._events = collections.deque([({"type": "websocket.connect"}, None)])  # each with the call that tells it
        self._arrived = asyncio.Event()
        self._is_accepted = self._is_closed = False
        self._is_gone = False  # the client is
        self._has_ended = False  # the app has

    async def run(self, app, scope):
        code = NORMAL
        try:
            await app(scope, self.receive, self.send)
        except Disconnected:
            pass
        except BaseException:
            log_uncaught()
            code = INTERNAL_ERROR
        if self._is_gone:
            pass
        elif not self._is_accepted:
            self._refuse(500 if code == INTERNAL_ERROR else 403)
        else:
            self._close(code, None)
        # What comes now is for nobody.
        self._has_ended = True
        while self._events:
            self._settle(self._events.popleft()[1])

    async def receive(self):
        while not self._events:
            self._arrived.clear()
            await self._arrived.wait()
        event, frame = self._events[0]
        if event["type"] != "websocket.disconnect":
            self._events.popleft()
        self._settle(frame)
        return event

    async def send(self, message):
        kind = message["type"]
        if self._is_gone:
            raise Disconnected("the client is gone")
        if self._is_closed:
            raise RuntimeError(f"the app has closed the socket, and sends `{kind}`")
        if kind == "websocket.accept" and not self._is_accepted:
            self._accept(message)
        elif kind == "websocket.close" and not self._is_accepted:
            self._refuse(403)
        elif kind == "websocket.close":
            self._close(message.get("code", NORMAL), message.get("reason") or None)
        elif kind == "websocket.send" and self._is_accepted:
            binary = message.get("bytes")
            said = sockets.Message_Text(message["text"]) if binary is None else sockets.Message_Binary(bytes(binary))
            try:
                await self._output.send(said)
            except WebSocketClosedError:
                raise Disconnected("the client is gone") from None
        else:
            raise RuntimeError(f"the app sends `{kind}`, which is not to be sent now")

    def _accept(self, message):
        fields = [(bytes(name).decode("latin-1").lower(), bytes(value)) for name, value in message.get("headers", ())]
        fields = [field for field in fields if field[0] not in tornado_websocket.LEFT_OUT]
        self._is_accepted = True
        tornado_websocket.keep(self._number, self)
        accepted = host.Accepted(message.get("subprotocol"), host.Compression(None), fields)
        self._frame.settle(host.Acceptance_Accepted(accepted))

    def _refuse(self, status):
        self._is_closed = True
        failure = types.Failure(status, None, None, types.FailureCause_HttpError())
        self._frame.settle(host.Acceptance_Refused(types.Outcome_Failed(failure)))

    def _close(self, code, reason):
        if not self._is_closed and not self._is_gone:
            self._is_closed = True
            try:
                sockets.close(self._socket, code, reason)
            except Err as error:
                raise tornado_websocket.refused(error.value) from None

    def _tell(self, event, frame):
        if self._has_ended:
            return self._settle(frame)
        self._events.append((event, frame))
        self._arrived.set()

    @staticmethod
    def _settle(frame):
        if frame is not None:
            frame.settle(None)

    # What the host calls.

    def on_open(self, frame):
        frame.settle(None)

    def on_message(self, frame, message):
        """The next event comes when the app has taken this one."""
        self._tell({"type": "websocket.receive", "text" if type(message) is str else "bytes": message}, frame)

    def on_ping(self, frame, data):
        frame.settle(None)

    on_pong = on_ping

    def on_close(self, frame, code, reason):
        self._tell({"type": "websocket.disconnect", "code": NO_CODE if code is None else code, "reason": reason}, None)
        self._is_gone = True
        self._settle(frame)

    def close(self):
        """The client is gone before the handshake had its answer."""
        self._frame.settle(host.Acceptance_Refused(types.Outcome_Cancelled()))
        self._tell({"type": "websocket.disconnect", "code": ABNORMAL, "reason": None}, None)
        self._is_gone = True

    def cancel(self):
        """The app has not taken an event within `event_deadline`."""
        while self._events and self._events[0][1] is not None:
            self._settle(self._events.popleft()[1])


def begin(app, scope, frame, call):
    """Begins one handshake. Returns what hears that its client is gone, and the task, which its owner keeps."""
    socket = AsgiSocket(frame, call)
    return socket, loop.create_task(socket.run(app, scope))
