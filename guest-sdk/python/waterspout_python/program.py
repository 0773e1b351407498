"""Runs an app's file as `python app.py` would, up to where it would serve."""

import gc
import json
import linecache
import os
import random
import sys
import traceback

from . import bytecode, host_log, listening, main_module, modules, patches, web_app
from .event_loop import Serving, loop

# The variables of the environment by which the host says where the file is, its arguments, and the folder with the app's
# packages.
FILE = "WATERSPOUT_PYTHON_APP"
ARGUMENTS = "WATERSPOUT_PYTHON_ARGUMENTS"
PACKAGES = "WATERSPOUT_PYTHON_PACKAGES"
# Where the bytecode of its modules is, and which folder's modules are to be compiled to there. Then nothing is run.
BYTECODE = "WATERSPOUT_PYTHON_BYTECODE"
COMPILES = "WATERSPOUT_PYTHON_COMPILES"

_starting = None  # the call of `start`, until its result is known


def run(frame):
    """Runs it. Sets the result of `start` when that is known, now or later."""
    global _starting
    path = os.environ.pop(FILE)
    sys.pycache_prefix = os.environ.pop(BYTECODE, None)
    if COMPILES in os.environ:
        bytecode.compile_folder(os.environ[COMPILES], path)
        frame.settle(None)
        return
    arguments = json.loads(os.environ.pop(ARGUMENTS))
    packages = os.environ.pop(PACKAGES, None)
    folder = os.path.dirname(path)
    sys.argv[:] = [path, *arguments]
    sys.path[:] = [folder] if packages is None else [folder, packages]
    sys.path_importer_cache.clear()
    sys.meta_path.append(modules.Finder)
    patches.install()
    sys.dont_write_bytecode = True
    os.chdir(folder)
    # The state of the snapshot is the same in all instances.
    random.seed()
    linecache.clearcache()
    _starting = frame
    listening.on_listen = _listens
    web_app.on_failed = _fail
    try:
        task = main_module.start(path)
    except BaseException as error:
        _fail(_text(error, folder))
    else:
        if task.done():
            _ended(task)
        else:
            task.add_done_callback(_ended)
    loop.may_run = False
    if listening.is_listening():
        _settle()
    elif _starting is not None:
        loop.on_idle = _idle
    gc.freeze()


def _settle():
    global _starting
    if _starting is not None:
        frame, _starting = _starting, None
        loop.on_idle = None
        frame.settle(None)


def _fail(text):
    """The program has ended by itself, sooner or later."""
    global _starting
    if _starting is not None:
        frame, _starting = _starting, None
        loop.on_idle = None
        frame.stays = False
        frame.fail(text)
    else:
        host_log.error(text)


def _listens():
    # In its first run, the program may yet fail.
    if not loop.may_run:
        _settle()


def _idle():
    """Only time can have the program go on, and it has not listened."""
    if not loop._scheduled:
        _fail(f"{sys.argv[0]} waits for nothing, and has not listened")
    elif loop.is_forever:
        # A program with work in the background, and no server.
        _settle()


def _ended(task):
    """The program has come to its end, or to a wait in a function."""
    error = task.result()
    folder = os.path.dirname(sys.argv[0])
    if isinstance(error, Serving):
        if error.task is not None:
            error.task.add_done_callback(_main_ended)
    elif isinstance(error, SystemExit):
        _fail(f"{sys.argv[0]} has ended: {error}")
    elif error is not None:
        _fail(_text(error, folder))
    elif not listening.is_listening():
        _serve_app(folder)
    elif _starting is None:
        host_log.error(f"{sys.argv[0]} has ended, and what listens goes on")


def _serve_app(folder):
    """What has not listened may have a WSGI or an ASGI app."""
    try:
        if web_app.serve_one_of(sys.modules["__main__"].__dict__):
            return
    except Exception as error:
        return _fail(_text(error, folder))
    names = " or ".join(f"`{name}`" for name in web_app.NAMES)
    _fail(
        f"{sys.argv[0]} has ended, and has not listened; it has no {names} that is a WSGI or an ASGI app. What it has "
        "printed is in the log"
    )


def _main_ended(task):
    """What a function gave to `asyncio.run` has ended, where a process would go on in that function."""
    error = None if task.cancelled() else task.exception()
    _fail(_text(error, os.path.dirname(sys.argv[0])) if error else f"{sys.argv[0]} has ended")


def _text(error, folder):
    """The traceback, without the frames of what runs the app."""
    below = error.__traceback__
    while below is not None and not below.tb_frame.f_code.co_filename.startswith(folder):
        below = below.tb_next
    if below is None and not isinstance(error, SyntaxError):
        below = error.__traceback__
    return "".join(traceback.format_exception(type(error), error, below)).rstrip()
