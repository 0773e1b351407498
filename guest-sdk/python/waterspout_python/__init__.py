"""What componentize-py makes a component of: the exports of the WIT, over Tornado and an event loop of our own.

All imports are done while the component is made, and what they leave in memory is the snapshot with which each instance
begins. Nothing here belongs to an app: the host says in `start` where that is.
"""

import gc

from . import no_ssl  # before all that would import `ssl`
from . import event_loop, host_log, modules, program, tornado_client, tornado_server
from .event_loop import loop
from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import handler as handler_types

__all__ = ["Handler", "Lifecycle", "WitWorld"]

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]


class Handler(exports.Handler):
    """One handler for all requests. Which of its own classes a request goes to is for Tornado to say."""

    async def describe(self):
        functions = ["execute", "head"]
        return [handler_types.HandlerClass("Application", METHODS, functions, [])]

    def _async_start_execute(self, call, kwargs, method, arguments, head, borrows):
        frame = event_loop.Frame(EXECUTE, borrows)
        with frame:
            tornado_server.serve(frame, call.request, METHODS[method], head)
        return frame.turn()

    async def cancel(self, request):
        tornado_server.cancel(request)

    async def release(self, request):
        tornado_server.forget(request)

    async def _never(self, *_):
        """`describe` does not name it, so the host does not call it."""
        raise NotImplementedError

    initialize = prepare = method = execute = write_error = on_connection_close = on_finish = _never
    get = head = post = put = delete = patch = options = _never


class Lifecycle(exports.Lifecycle):
    """Runs the app's file when an instance starts."""

    async def describe(self):
        return ["single", "start"]

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
        pass


class WitWorld:
    async def wake(self, call):
        raise NotImplementedError


# The numbers by which generated code knows the two functions that are not coroutines.
EXECUTE = event_loop.number_of(exports.Handler._async_start_execute)
START = event_loop.number_of(exports.Lifecycle._async_start_start)

host_log.install()
modules.keep()
# What is there now stays: the collector need not look at it, nor an instance have memory of its own for it.
gc.collect()
gc.freeze()
