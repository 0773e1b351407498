"""Runs an app's file as `python app.py` would, up to where it would serve."""

import gc
import linecache
import os
import random
import runpy
import sys
import traceback

from . import host_log, listening, modules
from .event_loop import Serving, loop

# The variables of the environment by which the host says where the file is, and the folder with the app's packages.
FILE = "WATERSPOUT_PYTHON_APP"
PACKAGES = "WATERSPOUT_PYTHON_PACKAGES"

_starting = None  # the call of `start`, while the program waits for something before it listens


def run(frame):
    """Runs it. Sets the result of `start` when that is known, now or later."""
    global _starting
    path = os.environ.pop(FILE)
    packages = os.environ.pop(PACKAGES, None)
    folder = os.path.dirname(path)
    sys.argv[:] = [path]
    sys.path[:] = [folder] if packages is None else [folder, packages]
    sys.path_importer_cache.clear()
    sys.meta_path.append(modules.Finder)
    sys.dont_write_bytecode = True
    os.chdir(folder)
    # The state of the snapshot is the same in all instances.
    random.seed()
    linecache.clearcache()
    listening.on_listen = _listens
    loop.on_main_ended = _main_ended
    loop.may_run = True
    try:
        runpy.run_path(path, run_name="__main__")
    except Serving:
        if listening.is_listening():
            frame.settle(None)
        else:
            # Its coroutine waits for something.
            _starting = frame
    except SystemExit as error:
        frame.fail(f"{path} has ended: {error}")
    except BaseException as error:
        frame.fail(_text(error, folder))
    else:
        if listening.is_listening():
            frame.settle(None)
        else:
            frame.fail(f"{path} has ended, and has not listened")
    finally:
        loop.may_run = False
    gc.freeze()


def _listens():
    global _starting
    if _starting is not None:
        frame, _starting = _starting, None
        frame.settle(None)


def _fail(text):
    """The program has ended by itself, sooner or later."""
    global _starting
    if _starting is not None:
        frame, _starting = _starting, None
        frame.stays = False
        frame.fail(text)
    else:
        host_log.error(text)


def _main_ended(task):
    """What `asyncio.run` was given has ended, where a process would end with it."""
    error = None if task.cancelled() else task.exception()
    _fail(_text(error, "") if error else f"{sys.argv[0]} has ended")


def _text(error, folder):
    """The traceback, without the frames of what runs the app."""
    below = error.__traceback__
    while below is not None and not below.tb_frame.f_code.co_filename.startswith(folder):
        below = below.tb_next
    if below is None and not isinstance(error, SyntaxError):
        below = error.__traceback__
    return "".join(traceback.format_exception(type(error), error, below)).rstrip()
