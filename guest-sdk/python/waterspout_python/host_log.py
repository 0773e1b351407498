"""What the app logs goes to the host's log. Access lines don't: the host has its own."""

import logging

import tornado.log
import tornado.options
from wit_world.imports import logging as host


class HostHandler(logging.Handler):
    def emit(self, record):
        if record.name == "tornado.access":
            return
        try:
            host.log(_level(record.levelno), self.format(record))
        except Exception:
            self.handleError(record)


def _level(number):
    if number >= logging.ERROR:
        return host.Level.ERROR
    if number >= logging.WARNING:
        return host.Level.WARNING
    return host.Level.INFO if number >= logging.INFO else host.Level.DEBUG


def error(text):
    host.log(host.Level.ERROR, text)


def info(text):
    host.log(host.Level.INFO, text)


def _enable_pretty_logging(options=None, logger=None):
    """Only the level counts. How lines look and where they go is for the host's configuration to say."""
    options = options or tornado.options.options
    if options.logging and options.logging.lower() != "none":
        (logger or logging.getLogger()).setLevel(options.logging.upper())


def _basic_config(*, level=None, **_):
    if level is not None:
        logging.getLogger().setLevel(level)


def install():
    logging.getLogger().addHandler(HostHandler())
    logging.basicConfig = _basic_config
    tornado.log.enable_pretty_logging = _enable_pretty_logging
