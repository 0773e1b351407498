"""The server of the test that the client is at: what the test's class would have set up, in here."""

import contextlib
import importlib
import logging
import unittest.mock

import tornado.httpserver
import tornado.ioloop
import tornado.testing
from tornado.httputil import HTTPMessageDelegate

CONTROL = "/__suite__/"

_control = None  # the server that answers where there is no test
_test = None
_records = []
requests = 0  # that were the test's
_port = None


class Records(logging.Handler):
    """Keeps what the test's server logs, for the client: it is the one that expects it."""

    def emit(self, record):
        _records.append([record.name, record.levelno, record.getMessage(), bool(record.exc_info)])


class Chooser(HTTPMessageDelegate):
    """Gives control requests to the control application, and all others to the server of the test."""

    def __init__(self, server, connection):
        self.delegate = None
        self._server, self._connection = server, connection

    def headers_received(self, start_line, headers):
        global requests
        is_control = start_line.path.startswith(CONTROL)
        requests += not is_control
        server = _control if is_control else self._server
        self.delegate = _start_request(server, None, self._connection)
        return self.delegate.headers_received(start_line, headers)

    def data_received(self, chunk):
        return self.delegate.data_received(chunk)

    def finish(self):
        self.delegate.finish()

    def on_connection_close(self):
        if self.delegate is not None:
            self.delegate.on_connection_close()


_start_request = tornado.httpserver.HTTPServer.start_request
tornado.httpserver.HTTPServer.start_request = lambda self, server, connection: Chooser(self, connection)


def main(application):
    global _control
    _control = application.listen(8888)
    logging.getLogger().addHandler(Records())
    logging.getLogger().setLevel(logging.INFO)
    tornado.ioloop.IOLoop.current().start()


def begin(name, port):
    global _test, _port, requests
    end()
    _port, requests = port, 0
    module, name, method = name.removeprefix("tornado.test.").split(".")
    cls = getattr(importlib.import_module("tornado.test." + module), name)
    test = cls(method)
    _records.clear()
    _test = test
    with _as_here():
        try:
            test.setUp()
        except Exception:
            # What comes after the server is there is for the client to do.
            if not hasattr(test, "http_server"):
                raise


def end():
    global _test
    test, _test = _test, None
    if test is not None:
        # What the client has for its own part is not here.
        with _as_here(), contextlib.suppress(Exception):
            test.tearDown()
        _tear_down(test)
        test.doCleanups()
    _control.listen(8888)


def logged():
    return _records


# What the base classes of tests do here. Elsewhere they do what they always do.


def _set_up(self):
    self.io_loop = tornado.ioloop.IOLoop.current()


def _set_up_http(self):
    _set_up(self)
    self._AsyncHTTPTestCase__port = _port
    self.http_client = self.get_http_client()
    self._app = self.get_app()
    self.http_server = self.get_http_server()
    _control.stop()
    self.http_server.listen(_port)


def _tear_down(self):
    if hasattr(self, "http_server"):
        self.http_server.stop()


_patches = [
    unittest.mock.patch.object(tornado.testing.AsyncTestCase, "setUp", _set_up),
    unittest.mock.patch.object(tornado.testing.AsyncHTTPTestCase, "setUp", _set_up_http),
    unittest.mock.patch.object(tornado.testing.AsyncTestCase, "tearDown", _tear_down),
    unittest.mock.patch.object(tornado.testing.AsyncHTTPTestCase, "tearDown", _tear_down),
    unittest.mock.patch.object(unittest.TestCase, "assertNoLogs", lambda *args, **kwargs: contextlib.nullcontext()),
]


@contextlib.contextmanager
def _as_here():
    with contextlib.ExitStack() as stack:
        for patch in _patches:
            stack.enter_context(patch)
        yield
