"""Which handler a path leads to."""

import re
from urllib.parse import unquote

from tornado.escape import url_escape
from waterspout_python import listening


class url:
    """A route: a pattern for the whole path, its handler, and arguments for `initialize`."""

    def __init__(self, pattern, handler, kwargs=None, name=None):
        self.handler, self.kwargs, self.name = handler, kwargs or {}, name
        self.pattern = pattern.removesuffix("$")
        self._regex = None if re.escape(self.pattern) == self.pattern else re.compile(self.pattern)

    def __repr__(self):
        return f"url({self.pattern!r}, {self.handler.__name__})"

    def match(self, path):
        """The arguments in the path, positional and named. `None`: it is another path."""
        if self._regex is None:
            return _NO_ARGUMENTS if path == self.pattern else None
        match = self._regex.fullmatch(path)
        if match is None:
            return None
        if self._regex.groupindex:
            return (), {name: _unquoted(value) for name, value in match.groupdict().items()}
        return tuple(map(_unquoted, match.groups())), {}

    def reverse(self, *args):
        """The path with these arguments in the place of its groups."""
        parts = re.split(r"\((?!\?[:=!<])[^()]*\)", self.pattern)
        if len(parts) != len(args) + 1:
            raise ValueError(f"{self.pattern!r} has {len(parts) - 1} arguments, and not {len(args)}")
        quoted = (url_escape(arg if isinstance(arg, bytes) else str(arg), plus=False) for arg in args)
        return parts[0] + "".join(arg + part for arg, part in zip(quoted, parts[1:]))


def _unquoted(value):
    return unquote(value) if value is not None and "%" in value else value


_NO_ARGUMENTS = ((), {})


class Application:
    """The routes of an app, the first of which that matches counts, and its settings."""

    def __init__(self, handlers=(), default_host=None, **settings):
        self.settings = settings
        self.routes = [route if isinstance(route, url) else url(*route) for route in handlers]
        self._named = {route.name: route for route in self.routes if route.name is not None}

    def reverse_url(self, name, *args):
        if name not in self._named:
            raise KeyError(f"{name} not found in named urls")
        return self._named[name].reverse(*args)

    def find(self, path):
        """The route for a path, with the arguments in it."""
        for route in self.routes:
            arguments = route.match(path)
            if arguments is not None:
                return route, arguments
        handler = self.settings.get("default_handler_class")
        if handler is None:
            return None, _NO_ARGUMENTS
        return url(path, handler, self.settings.get("default_handler_args")), _NO_ARGUMENTS

    def listen(self, port, *args, **kwargs):
        """The app is ready. The host has the socket."""
        listening.listen_directly(self)
