"""Requests for handlers of the package `waterspout`: from the host to the handler's method, with nothing in between."""

import asyncio
import logging
import traceback

from waterspout.errors import Finish, HTTPError
from waterspout.handler import RequestHandler
from waterspout.request import HTTPServerRequest

from . import listening, tornado_server
from .event_loop import loop
from componentize_py_types import Err
from wit_world.imports import waterspout_web_types as types

HAVE_BODIES = {"POST", "PUT", "PATCH", "DELETE"}

_live = {}  # request number -> (handler, task), for those that wait


def serve(frame, number, method, head):
    """Begins one request. Its frame is settled when the response is complete."""
    request = HTTPServerRequest(number, method, head.uri, head.headers)
    handler = None
    try:
        route, (args, kwargs) = listening.direct.find(request.path)
        if route is None:
            raise HTTPError(404)
        handler = route.handler(listening.direct, request, **route.kwargs)
        handler.path_args, handler.path_kwargs = args, kwargs
        function = getattr(handler, method.lower(), None)
        if function is None:
            raise HTTPError(405)
        kind = type(handler)
        if method in HAVE_BODIES or kind.prepare is not RequestHandler.prepare:
            begin(frame, handler, _whole(handler, function))
            return
        waits = function(*args, **kwargs)
        if waits is not None:
            begin(frame, handler, _only(handler, waits))
            return
        outcome = handler._outcome()
    except Exception as error:
        outcome = outcome_of(handler, error)
    frame.settle(outcome)
    if handler is not None:
        finish(handler)


def begin(frame, handler, coroutine):
    """Runs it up to where it waits, which it may not do at all."""
    number = handler.request._number
    task = asyncio.Task(_to_the_end(frame, handler, coroutine), loop=loop, eager_start=True)
    if not task.done():
        _live[number] = (handler, task)
        task.add_done_callback(lambda _: _live.pop(number, None))


async def _to_the_end(frame, handler, coroutine):
    try:
        await coroutine
        outcome = handler._outcome()
    except asyncio.CancelledError:
        outcome = types.Outcome_Cancelled()
    except Exception as error:
        outcome = outcome_of(handler, error)
    frame.settle(outcome)
    finish(handler)


async def _only(handler, waits):
    await waits


async def _whole(handler, function):
    """The body, `prepare` and the method."""
    request = handler.request
    if request.method in HAVE_BODIES:
        request.body = await tornado_server.whole_body(request._number)
    waits = handler.prepare()
    if waits is not None:
        await waits
    if handler._finished:
        return
    waits = function(*handler.path_args, **handler.path_kwargs)
    if waits is not None:
        await waits


def finish(handler):
    if type(handler).on_finish is not RequestHandler.on_finish:
        try:
            handler.on_finish()
        except Exception as error:
            log(handler, error)


def outcome_of(handler, error):
    """What becomes of a request whose handler has ended with this."""
    if isinstance(error, Finish):
        return handler._outcome()
    if isinstance(error, Err):
        # Its body can't be had, and the host has logged why.
        error = HTTPError(tornado_server.STATUS.get(type(error.value), 400))
    is_planned = isinstance(error, HTTPError)
    kind = type(handler)
    try:
        if handler is not None and not is_planned:
            handler.log_exception(type(error), error, error.__traceback__)
        if handler is not None and kind.write_error is not RequestHandler.write_error and not handler._is_flushed:
            if not is_planned and kind.log_exception is RequestHandler.log_exception:
                log(handler, error)
            handler._finished = False
            handler.send_error(
                error.status_code if is_planned else 500,
                reason=getattr(error, "reason", None),
                exc_info=(type(error), error, error.__traceback__),
            )
            return handler._outcome()
    except Exception as failed:
        error, is_planned = failed, False
    if is_planned:
        message = None if error.log_message is None else str(error)
        failure = types.Failure(error.status_code, error.reason, message, types.FailureCause_HttpError())
    else:
        message = "".join(traceback.format_exception(error))
        failure = types.Failure(500, None, message, types.FailureCause_Uncaught())
    return types.Outcome_Failed(failure)


def log(handler, error):
    request = handler.request
    text = "Uncaught exception %s %s (%s)"
    logging.getLogger("app").error(text, request.method, request.uri, request.remote_ip, exc_info=error)


def cancel(number):
    live = _live.get(number)
    if live is not None:
        handler, task = live
        handler.on_connection_close()
        task.cancel()
