"""One request and its response, for apps that are not Tornado's: as the host hands them out, without Tornado's objects
between the two.
"""

import http
import logging
import os
import traceback

from . import tornado_server
from componentize_py_types import Err
from wit_world.imports import request as host_request
from wit_world.imports import response as host_response
from wit_world.imports import waterspout_web_types as types

_REASONS = {status.value: status.phrase for status in http.HTTPStatus}
_HERE = os.path.dirname(__file__)
_NEVER_A_BODY = ("GET", "HEAD", "OPTIONS")


class Disconnected(OSError):
    """The client is gone, and the app sends on."""


class Exchange:
    def __init__(self, frame, number, method, uri, headers):
        self.number, self.method, self.uri, self.headers = number, method, uri, headers
        self.line = host_request.head(number)
        self.is_flushed = False  # the head of the response is out
        self.is_gone = False  # the client is
        self.is_settled = False  # how it ends is known
        self.status = None  # until the response has begun
        self._frame, self._reason, self._fields = frame, None, None

    def has_body(self):
        if self.line.version == "HTTP/2.0" and self.method not in _NEVER_A_BODY:
            return True
        return any(name == "content-length" or name == "transfer-encoding" for name, _ in self.headers)

    def begin(self, status, reason, fields):
        """Sets the head of the response. The names of the fields are in lower case."""
        if status == 200 and self.method in ("GET", "HEAD") and not any(name == "etag" for name, _ in fields):
            # An empty one says that there is none. Otherwise the host would add its own.
            fields.append(("etag", b""))
        self.status, self._fields = status, fields
        self._reason = None if reason is None or _REASONS.get(status) == reason else reason

    def keeps_length(self):
        """Whether a `Content-Length` of the app would be lost by `end` alone."""
        return self.method == "HEAD" and not self.is_flushed and any(name == "content-length" for name, _ in self._fields)

    async def flush(self, piece):
        """Sends a piece. Returns when the client has taken what was sent before."""
        for part in tornado_server.pieces_of(piece):
            head = None
            if not self.is_flushed:
                self.is_flushed = True
                head = host_response.ResponseHead(self.status, self._reason, self._fields)
            try:
                await host_response.flush(self.number, head, part)
            except Err as error:
                if isinstance(error.value, host_response.FlushError_Gone):
                    raise Disconnected("the client is gone") from None
                raise RuntimeError(f"the response can't be sent: {error.value.value}") from None

    def end(self, body):
        """Ends the response with the last of its body, or all of it."""
        status, reason, fields = (200, None, []) if self.is_flushed else (self.status, self._reason, self._fields)
        self._settle(types.Outcome_Finished(types.Response(status, reason, fields, body)))

    def fail(self, error):
        """The app has failed: an exception, or a text that says why. The host logs it and makes the page, or cuts the
        connection where the head is out.
        """
        if isinstance(error, BaseException):
            error = _text(error)
        self._failed(500, error, types.FailureCause_Uncaught())

    def refuse(self, error):
        """The body can't be had; the host has logged why."""
        status = tornado_server.STATUS.get(type(error.value), 400)
        self._failed(status, None, types.FailureCause_HttpError())

    def _failed(self, status, message, cause):
        self._settle(types.Outcome_Failed(types.Failure(status, None, message, cause)))

    def _settle(self, outcome):
        self.is_settled = True
        self._frame.settle(outcome)

    def close(self):
        """The client is gone, or the time is up."""
        self.is_gone = True
        self._settle(types.Outcome_Cancelled())


def _text(error):
    """The traceback, without the frames of what has called the app: there is none where the app is not in it."""
    below = error.__traceback__
    while below is not None and os.path.dirname(below.tb_frame.f_code.co_filename) == _HERE:
        below = below.tb_next
    return "".join(traceback.format_exception(type(error), error, below)).rstrip()


def log_uncaught():
    """What the app has raised when the client had its response already, or did not wait for it."""
    logging.getLogger("waterspout").error("Uncaught exception", exc_info=True)
