"""What came of tests, on either side."""

import traceback
import unittest


class Result(unittest.TestResult):
    """What came of each test: `[name, "ok" or what else, why]`."""

    def __init__(self):
        super().__init__()
        self.tests = []

    def _add(self, test, outcome, why=""):
        if not self.tests or self.tests[-1][0] != test.id():
            self.tests.append([test.id(), outcome, why])

    def addSuccess(self, test):
        self._add(test, "ok")

    def addFailure(self, test, err):
        self._add(test, "failure", _text(err))

    def addError(self, test, err):
        self._add(test, "error", _text(err))

    def addSkip(self, test, reason):
        self._add(test, "skipped", reason)

    def addExpectedFailure(self, test, err):
        self._add(test, "ok")

    def addUnexpectedSuccess(self, test):
        self._add(test, "failure", "it was expected to fail")

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._add(test, "failure", f"{subtest}: {_text(err)}")


def _text(err):
    return "".join(traceback.format_exception(*err))


def flat(tests):
    for test in tests:
        if isinstance(test, unittest.TestSuite):
            yield from flat(test)
        else:
            yield test
