"""Runs tests that need no socket. They begin loops and wait for them, so theirs is one that waits by itself."""

import asyncio
import importlib
import time
import unittest
from asyncio import events

import tornado.testing
from results import Result, flat
from waterspout_python import event_loop


class Loop(event_loop.Loop):
    """The loop of Python apps, turned in place. The host is asked for nothing but the time."""

    def __init__(self):
        super().__init__()
        self._began = True
        self._stops = False
        # The one warning of threads is not what is tested.
        self._has_warned = event_loop.loop._has_warned = True

    def run_forever(self):
        self._turn(lambda: self._stops)

    def run_until_complete(self, future):
        task = asyncio.ensure_future(future, loop=self)
        self._turn(task.done)
        return task.result()

    def stop(self):
        self._stops = True

    def close(self):
        self._ready.clear()
        self._scheduled.clear()

    def _turn(self, is_over):
        self._stops = False
        outer = events._get_running_loop()
        events._set_running_loop(self)
        try:
            while not is_over():
                if self.run_ready() or is_over():
                    continue
                if not self._scheduled:
                    raise RuntimeError("there is nothing more that could happen")
                time.sleep(max(0, self._scheduled[0]._when - self.time()))
        finally:
            events._set_running_loop(outer)


def run(name, ended):
    """Sets the future to what came of `module` or `module.Class`."""
    try:
        ended.set_result(_run(name))
    except Exception as error:
        ended.set_exception(error)


def _run(name):
    """Runs all that needs no server."""
    module, _, name = name.partition(".")
    module = importlib.import_module("tornado.test." + module)
    loader = unittest.defaultTestLoader
    tests = loader.loadTestsFromName(name, module) if name else loader.loadTestsFromModule(module)
    tests = unittest.TestSuite(test for test in flat(tests) if not isinstance(test, tornado.testing.AsyncHTTPTestCase))
    result = Result()
    ours, outer = asyncio.new_event_loop, events._get_running_loop()
    asyncio.new_event_loop = events.new_event_loop = Loop
    events._set_running_loop(None)
    try:
        tests.run(result)
    finally:
        asyncio.new_event_loop = events.new_event_loop = ours
        asyncio.set_event_loop(outer)
        events._set_running_loop(outer)
    return result.tests
