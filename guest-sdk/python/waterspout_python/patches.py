"""What is changed in packages when an app imports them, because there are no threads and no sockets."""

import contextvars
import sys
import tempfile

from . import app_servers
from .event_loop import loop


def _patch_anyio(module):
    """Starlette and FastAPI run what is no `async def` by it in threads."""

    async def run_sync_in_worker_thread(cls, func, args, abandon_on_cancel=False, limiter=None):
        await cls.checkpoint()
        loop.warn_of_threads()
        return contextvars.copy_context().run(loop.call_blocking, func, *args)

    module.AsyncIOBackend.run_sync_in_worker_thread = classmethod(run_sync_in_worker_thread)


def _patch_asgiref(module):
    """Django and Flask go by it from `async def` to other functions and back."""

    async def sync_to_async(self, *args, **kwargs):
        loop.warn_of_threads()
        return loop.call_blocking(self.func, *args, **kwargs)

    def async_to_sync(self, *args, **kwargs):
        context = contextvars.copy_context()
        try:
            return loop.run_blocking(self.awaitable(*args, **kwargs), context)
        finally:
            for variable, value in context.items():
                if variable.get(None) is not value:
                    variable.set(value)

    module.SyncToAsync.__call__ = sync_to_async
    module.AsyncToSync.__call__ = async_to_sync


_PATCHES = {
    "anyio._backends._asyncio": _patch_anyio,
    "asgiref.sync": _patch_asgiref,
    "werkzeug.serving": app_servers.patch_werkzeug,
    "wsgiref.simple_server": app_servers.patch_wsgiref,
}


class _Finder:
    """Finds these modules where all others would, too."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        patch = _PATCHES.get(name)
        if patch is None:
            return None
        for finder in sys.meta_path:
            if finder is not cls and (spec := finder.find_spec(name, path, target)) is not None:
                spec.loader = _Loader(spec.loader, patch)
                return spec
        return None


class _Loader:
    """A loader that patches what it has loaded."""

    def __init__(self, loader, patch):
        self._loader, self._patch = loader, patch

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        self._patch(module)

    def __getattr__(self, name):
        return getattr(self._loader, name)


_rollover = tempfile.SpooledTemporaryFile.rollover


def _rollover_if_there_is_a_folder(self):
    """A part of a form that is long goes to a file. Where no folder can be written, it stays in memory."""
    try:
        _rollover(self)
    except FileNotFoundError:
        self._max_size = 0


def install():
    sys.meta_path.insert(0, _Finder)
    tempfile.SpooledTemporaryFile.rollover = _rollover_if_there_is_a_folder
    app_servers.install()
