"""What componentize-py makes a component of: the exports of the WIT, over Tornado and an event loop of our own.

All imports are done while the component is made, and what they leave in memory is the snapshot with which each instance
begins. Nothing here belongs to an app: the host says in `start` where that is.
"""

from . import no_ssl  # before all that would import `ssl`
from . import direct, event_loop, host_log, listening, main_module, modules, program, snapshot, tornado_client
from . import tornado_server, tornado_tcp, tornado_websocket, tornado_websocket_client, web_app
from .event_loop import loop
from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import handler as handler_types
from wit_world.exports import tcpserver as tcpserver_types
from wit_world.exports import websocket as websocket_types

__all__ = ["Handler", "Lifecycle", "Tcpserver", "Websocket", "WitWorld"]

METHODS = [
    *("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"),
    # What an app may have in its `SUPPORTED_METHODS`: those that are registered, and that a server may leave to an app.
    *("COPY", "LINK", "LOCK", "MKCALENDAR", "MKCOL", "MOVE", "PROPFIND", "PROPPATCH", "PURGE", "QUERY", "REPORT"),
    *("SEARCH", "UNLINK", "UNLOCK"),
]


class Handler(exports.Handler):
    """One handler for all requests. Which of its own classes a request goes to is for Tornado to say."""

    async def describe(self):
        functions = ["execute", "head"]
        return [handler_types.HandlerClass("Application", METHODS, functions, [])]

    def _async_start_execute(self, call, kwargs, method, arguments, head, borrows):
        frame = event_loop.Frame(EXECUTE, borrows)
        with frame:
            serve = tornado_server.serve if listening.direct is None else direct.serve
            serve(frame, call.request, METHODS[method], head)
        return frame.turn()

    async def cancel(self, request):
        direct.cancel(request)
        tornado_server.cancel(request)
        tornado_websocket.cancel(request)

    async def release(self, request):
        tornado_server.forget(request)
        tornado_websocket.forget(request)

    async def _never(self, *_):
        """`describe` does not name it, so the host does not call it."""
        raise NotImplementedError

    initialize = prepare = method = execute = write_error = on_connection_close = on_finish = _never
    get = head = post = put = delete = patch = options = _never


class Websocket(exports.Websocket):
    """All sockets are that one handler's. What an app has for one is for Tornado to say."""

    async def describe(self):
        functions = ["accept", "check-origin", "open", "on-message", "on-ping", "on-pong", "on-close"]
        return [websocket_types.WebsocketClass(0, functions)]

    def _async_start_accept(self, call, subprotocols, borrows):
        return _told(ACCEPT, borrows, tornado_websocket.accept, call)

    def _async_start_open(self, call, arguments, borrows):
        return _told(OPEN, borrows, tornado_websocket.socket_of(call).on_open)

    def _async_start_on_message(self, call, message, borrows):
        return _told(ON_MESSAGE, borrows, tornado_websocket.socket_of(call).on_message, message.value)

    def _async_start_on_ping(self, call, data, borrows):
        return _told(ON_PING, borrows, tornado_websocket.socket_of(call).on_ping, data)

    def _async_start_on_pong(self, call, data, borrows):
        return _told(ON_PONG, borrows, tornado_websocket.socket_of(call).on_pong, data)

    def _async_start_on_close(self, call, code, reason, borrows):
        return _told(ON_CLOSE, borrows, tornado_websocket.closed(call).on_close, code, reason)

    async def _never(self, *_):
        """`describe` does not name it, or it is started above."""
        raise NotImplementedError

    accept = open = on_message = on_ping = on_pong = on_close = suspend = resume = _never


class Tcpserver(exports.Tcpserver):
    """One handler for all streams. To which of an app's servers one goes is for its port to say."""

    async def describe(self):
        return [tcpserver_types.StreamClass("TCPServer")]

    async def serve(self):
        await tornado_tcp.serve()


def _told(function, borrows, told, *args):
    """A call by which the host tells of something."""
    frame = event_loop.Frame(function, borrows)
    with frame:
        told(frame, *args)
    return frame.turn()


class Lifecycle(exports.Lifecycle):
    """Runs the app's file when an instance starts."""

    async def describe(self):
        return ["single", "start", "stop"]

    def _async_start_start(self, borrows):
        frame = event_loop.Frame(START, borrows)
        with frame:
            loop.begin()
            program.run(frame)
        # The call stays when it has returned: what nobody else waits for wakes this one.
        frame.stays = not isinstance(frame.result, Err)
        return frame.turn()

    async def start(self):
        raise NotImplementedError

    async def stop(self):
        await web_app.stop()


class WitWorld:
    async def wake(self, call):
        raise NotImplementedError


# The numbers by which generated code knows the functions that are not coroutines.
EXECUTE = event_loop.number_of(exports.Handler._async_start_execute)
START = event_loop.number_of(exports.Lifecycle._async_start_start)
ACCEPT = event_loop.number_of(exports.Websocket._async_start_accept)
OPEN = event_loop.number_of(exports.Websocket._async_start_open)
ON_MESSAGE = event_loop.number_of(exports.Websocket._async_start_on_message)
ON_PING = event_loop.number_of(exports.Websocket._async_start_on_ping)
ON_PONG = event_loop.number_of(exports.Websocket._async_start_on_pong)
ON_CLOSE = event_loop.number_of(exports.Websocket._async_start_on_close)

host_log.install()
modules.keep()
snapshot.keep()
