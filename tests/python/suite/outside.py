"""Asks what Tornado's own tests ask of a server that is elsewhere: `outside.py TESTS EXPECTED PORT OTHER NAME…`. TESTS is a
folder with Tornado, EXPECTED the list of what is not asked or differs, PORT and OTHER are where the component is served, a
NAME is a module of tests, perhaps with a class and a method. What needs no socket is run in the component.

Writes a line of JSON for each test: `[name, "ok" or what else, why, "socket" or "inside"]`.
"""

import http.client
import importlib
import json
import os
import sys
import time
import unittest
import urllib.parse

tests, expected, port, other, *names = sys.argv[1:]
sys.path[:] = [tests, *(path for path in sys.path if path)]
PORT, OTHER = int(port), int(other)

import tornado.test.httpclient_test
import tornado.test.util
import tornado.testing
from results import Result, flat

CONTROL = "/__suite__/"
PREFIX = "tornado.test."

_control = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)


def control(method, path, **query):
    """Asks the component about the tests themselves."""
    _control.request(method, f"{CONTROL}{path}?{urllib.parse.urlencode(query)}")
    response = _control.getresponse()
    body = response.read()
    if response.status != 200:
        raise RuntimeError(f"{method} {path} {query}: {response.status} {body.decode()}")
    return json.loads(body) if body else None


def listed(kind):
    """The names in the list under headings of this kind, each with its reason."""
    names, reason = {}, None
    with open(expected) as lines:
        for line in map(str.strip, lines):
            if line.startswith("## "):
                heading, _, text = line[3:].partition(": ")
                reason = text if heading == kind else None
            elif reason is not None and line and line[0] != "#":
                names[line] = reason
    return names


def reason_in(names, test):
    """The reason that is given for this test or for its class."""
    name = test.id().removeprefix(PREFIX)
    return names.get(name) or names.get(name.rpartition(".")[0])


UNASKED, HOST_S = listed("unasked"), listed("host")


class RemoteServer:
    def stop(self):
        pass

    async def close_all_connections(self):
        pass

    def add_socket(self, sock):
        """The component is served on another port already."""
        sock.close()


def set_up(self):
    """As in Tornado, without a server: that of this test begins in the component."""
    super(tornado.testing.AsyncHTTPTestCase, self).setUp()
    self._AsyncHTTPTestCase__port = PORT
    control("POST", "begin", test=self.id(), port=PORT)
    self.http_client = self.get_http_client()
    self._app = self.get_app()
    self.http_server = RemoteServer()


def tear_down(self):
    requests = control("POST", "end")["requests"]
    _tear_down(self)
    if not requests and not reason_in(HOST_S, self):
        # What it has tested was here.
        self.skipTest("it asks nothing of its server")


_tear_down = tornado.testing.AsyncHTTPTestCase.tearDown
tornado.testing.AsyncHTTPTestCase.setUp = set_up
tornado.testing.AsyncHTTPTestCase.tearDown = tear_down
# The port of a server's second socket.
tornado.test.httpclient_test.HTTPClientCommonTestCase._HTTPClientCommonTestCase__port2 = property(
    lambda self: OTHER, lambda self, port: None
)

_running = None  # the test


class ExpectLog(tornado.testing.ExpectLog):
    """Looks for what is expected in the log of the component, too."""

    def __exit__(self, kind, value, traceback):
        if reason_in(HOST_S, _running):
            self.required = False
        elif kind is None and not self.matched:
            until = time.monotonic() + (2 if self.required else 0)
            while not self._is_logged() and time.monotonic() < until:
                time.sleep(0.01)
        super().__exit__(kind, value, traceback)

    def _is_logged(self):
        for name, level, message, has_stack in control("GET", "logged")["records"]:
            is_below = self.logger.name == "root" or f"{name}.".startswith(f"{self.logger.name}.")
            if is_below and self.regex.match(message) and self.level in (None, level):
                self.matched += 1
                self.logged_stack |= has_stack
        return self.matched > 0


tornado.testing.ExpectLog = ExpectLog


def ask(test):
    """Runs one test here."""
    global _running
    reason = reason_in(UNASKED, test)
    if reason is not None:
        return [[test.id(), "unasked", reason]]
    _running = test
    result = Result()
    unittest.TestSuite([test]).run(result)
    return result.tests


def report(done, where):
    for name, outcome, why in done:
        if "abstract base class" in why:
            continue
        name = name.removeprefix(PREFIX)
        # Those that need no socket are listed by the component without a look at the list.
        reason = UNASKED.get(name) or UNASKED.get(name.rpartition(".")[0])
        if where == "inside" and reason is not None:
            outcome, why = "unasked", reason
        print(json.dumps([name, outcome, why, where]), flush=True)


def main():
    for name in names:
        module, _, rest = name.partition(".")
        module = importlib.import_module(PREFIX + module)
        loader = unittest.defaultTestLoader
        found = loader.loadTestsFromName(rest, module) if rest else loader.loadTestsFromModule(module)
        for test in flat([found]):
            if isinstance(test, tornado.testing.AsyncHTTPTestCase):
                report(ask(test), "socket")
        report(control("POST", "run", name=name)["tests"], "inside")
    # Clients that tests have left open are nobody's.
    os._exit(0)


if __name__ == "__main__":
    main()
