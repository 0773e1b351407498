"""WSGI and ASGI apps: which object of a program is one, of which kind it is, and how it is served."""

import importlib
import inspect
import sys

from . import listening
from .asgi import AsgiServer
from .event_loop import Serving, loop
from .wsgi import WsgiServer

# By these names servers know the app of a module, the first one first.
NAMES = ("application", "app")

# What frameworks import in their first request, by a module that tells of one. A request has no time for it.
_LATE = {
    "anyio": "anyio._backends._asyncio",
}

on_failed = None  # called with the reason for which an app can't start
_asgi = None  # the server of the app, if it is an ASGI one


def serve_one_of(names):
    """Serves the app among the names of a module. Returns whether there is one."""
    for name in NAMES:
        if kind_of(names.get(name)) is not None:
            serve(names[name])
            return True
    return False


def kind_of(app):
    """`WsgiServer` or `AsgiServer`, or None where it is neither."""
    if not callable(app):
        return None
    if inspect.isclass(app):
        is_asgi = hasattr(app, "__await__")
    else:
        is_asgi = inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(type(app).__call__)
    if is_asgi:
        return AsgiServer
    if _takes(app, 2):
        return WsgiServer
    # A function that returns the coroutine of another.
    return AsgiServer if _takes(app, 3) else None


def _takes(app, count):
    try:
        inspect.signature(app).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:
        return count == 2  # nothing is known of it
    return True


def serve(app):
    """Serves an app, as soon as it has started up."""
    global _asgi
    _import_late()
    kind = kind_of(app)
    if kind is None:
        raise TypeError(f"{app!r} is neither a WSGI nor an ASGI app")
    if listening.is_listening() or _asgi is not None:
        raise RuntimeError("there is a server already: an app has one")
    server = kind(app)
    if kind is AsgiServer:
        _asgi = server
        loop.create_task(_start(server))
    else:
        listening.serve_app(server)


def _import_late():
    for framework, name in _LATE.items():
        if framework in sys.modules:
            importlib.import_module(name)
    # The app's own paths and views. What is wrong with them refuses the version.
    urls, conf = sys.modules.get("django.urls"), sys.modules.get("django.conf")
    if urls is not None and conf is not None and conf.settings.configured:
        urls.get_resolver().url_patterns


async def _start(server):
    failure = await server.start()
    if failure is None:
        listening.serve_app(server)
    else:
        on_failed(failure)


async def stop():
    """The instance ends."""
    if _asgi is not None:
        await _asgi.stop()


def serve_forever(app):
    """What the functions of servers come to that end a program's main part."""
    serve(app)
    raise Serving
