"""The servers that programs run their WSGI or ASGI app with. Here each of them means that the host serves the app; what
they are told of addresses, workers and reloading has no effect.
"""

import importlib
import importlib.machinery
import os
import sys
import types

from . import web_app
from .event_loop import loop


def _run_simple(hostname, port, application, *args, **kwargs):
    """`werkzeug.serving.run_simple`, and so `Flask.run`."""
    web_app.serve_forever(application)


class _WsgiServer:
    """What `make_server` returns."""

    def __init__(self, host, port, app):
        self.server_address = (host, port)
        self.server_name, self.server_port = host, port
        self.application = app

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def set_app(self, application):
        self.application = application

    def get_app(self):
        return self.application

    def serve_forever(self, poll_interval=0.5):
        web_app.serve_forever(self.application)

    def server_close(self):
        pass

    shutdown = server_close


def _make_server(host, port, app=None, *args, **kwargs):
    """`wsgiref.simple_server.make_server`, and Werkzeug's."""
    return _WsgiServer(host, port, app)


def patch_werkzeug(module):
    module.run_simple, module.make_server = _run_simple, _make_server


def patch_wsgiref(module):
    module.make_server = _make_server


class _Config:
    """`uvicorn.Config`, of which only the app counts."""

    def __init__(self, app, *, factory=False, **options):
        self.app, self.factory = app, factory
        self.__dict__.update(options)

    def load(self):
        if isinstance(self.app, str):
            self.app = _import(self.app)
        if self.factory:
            self.app, self.factory = self.app(), False
        return self.app


class _Server:
    """`uvicorn.Server`."""

    def __init__(self, config):
        self.config = config
        self.started, self.should_exit = False, False

    def run(self, sockets=None):
        web_app.serve_forever(self.config.load())

    async def serve(self, sockets=None):
        web_app.serve(self.config.load())
        self.started = True
        await loop.create_future()


def _run(app, **options):
    """`uvicorn.run`."""
    _Server(_Config(app, **options)).run()


def _serve(app, **options):
    """`waitress.serve`."""
    web_app.serve_forever(app)


def _import(name):
    """What `module:attribute` names."""
    module, _, attributes = name.partition(":")
    found = importlib.import_module(module)
    for attribute in (attributes or "app").split("."):
        found = getattr(found, attribute)
    return found


_STAND_INS = {
    "uvicorn": {"run": _run, "Config": _Config, "Server": _Server},
    "waitress": {"serve": _serve},
}


def install():
    """Puts modules in the place of packages that can't be imported where there are neither processes nor sockets. The
    app's own modules go before them.
    """
    folder, *others = sys.path
    for name, names in _STAND_INS.items():
        if importlib.machinery.PathFinder.find_spec(name, [folder]) is not None:
            continue
        module = types.ModuleType(name, f"Stands in for {name}: the host is the server.")
        module.__dict__.update(names)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
        # What else there is of the package is found where it is installed.
        module.__path__ = [os.path.join(other, name) for other in others]
        sys.modules[name] = module
