"""asyncio's event loop inside a component: one queue of what is ready and one heap of timers for the whole instance.

A guest runs only inside of calls of the host, and a call can only be answered by itself. So whichever call is inside
turns the loop. If it settles another call, it wakes that one through a stream between the two. What belongs to no call,
such as a timer, wakes the call of `start`, which stays for as long as the instance does.

componentize-py has a loop in which each call has a queue of its own. This one takes its place: `first_poll`, `callback`
and `await_result` are what generated code asks for by name.
"""

import asyncio
import concurrent.futures
import concurrent.futures.thread
import dis
import heapq
import logging
import threading
from asyncio import base_events, events

from .blocking import Blocking
import componentize_py_async_support as support
import componentize_py_runtime as runtime
from componentize_py_types import Err, Ok
from wit_world.imports import monotonic_clock

# How a call tells the host that it goes on.
EXIT, YIELD, WAIT = 0, 1, 2
# The kind and the states of the events of a call of ours to the host.
SUBTASK, RETURNED = 1, 2

TURNS = 64  # of the queue, and
TURN = 10_000_000  # nanoseconds, before the host gets its thread back


def number_of(function):
    """The number that generated code gives an export or an import."""
    return next(
        instruction.argval
        for instruction in dis.get_instructions(function)
        if instruction.opname in ("LOAD_CONST", "LOAD_SMALL_INT") and type(instruction.argval) is int
    )


_now = monotonic_clock.now
_WAIT_UNTIL = number_of(monotonic_clock.wait_until)


class Serving(BaseException):
    """Ends the app's main program at the place where it would wait: for a task, or for ever. No `except Exception`
    catches it.
    """

    def __init__(self, task=None):
        self.task = task


class Loop(Blocking, base_events.BaseEventLoop):
    def __init__(self):
        super().__init__()
        self._thread_id = threading.get_ident()
        self.ready = self._ready
        self.unflushed = []  # connections that have something to send when all that is ready has run
        self.on_idle = None  # called when only timers can have it go on
        # Until an instance begins there is no host: time stands still.
        self._began = False
        self._main_tasks = set()  # what `asyncio.run` was given; nobody else may hold it
        self.is_forever = False  # the main program has come to where the loop runs until it is stopped
        self._stopped = None
        self.may_run = True  # inside of a call that waits for it; not when the loop itself has called
        self.main_task = None  # the main program
        self._waits = {}  # waitable -> (future or the time that a timer waits for, promise)
        self._waitables = None  # the set on which the call of `start` waits
        self._armed = None
        self._to_wake = []
        self._has_warned = False

    def begin(self):
        """An instance begins: the loop has the host's clock, and waits."""
        self._waitables = runtime.waitable_set_new()
        self._began = True

    def time(self):
        return _now() * 1e-9 if self._began else 0.0

    # What BaseEventLoop does with a selector, with sockets and threads.

    def _process_events(self, event_list):
        pass

    def _write_to_self(self):
        pass

    def _check_running(self):
        pass

    def close(self):
        pass

    def stop(self):
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set_result(None)

    def until_stopped(self):
        self._stopped = self.create_future()
        return self._stopped

    def call_soon_threadsafe(self, callback, *args, context=None):
        return self.call_soon(callback, *args, context=context)

    def run_forever(self):
        self._check_may_run()
        self.is_forever = True
        raise Serving

    def _check_may_run(self):
        """Refuses what a handler would do, and lets the main program."""
        if not self.may_run and asyncio.current_task(self) is not self.main_task:
            raise RuntimeError("This event loop is already running")

    def run_until_complete(self, future):
        """Runs what can be done without a wait. If that is not all, the program has come to where it serves."""
        if self._depth:
            return self.run_blocking(future)
        try:
            self._check_may_run()
        except RuntimeError:
            if asyncio.iscoroutine(future):
                future.close()
            raise
        task = asyncio.ensure_future(future, loop=self)
        outer = events._get_running_loop()
        outer_task = asyncio.tasks._swap_current_task(self, None)
        events._set_running_loop(self)
        try:
            while self.may_run and not task.done() and self.run_ready():
                pass
        finally:
            events._set_running_loop(outer)
            asyncio.tasks._swap_current_task(self, outer_task)
        if task.done():
            return task.result()
        self._main_tasks.add(task)
        task.add_done_callback(self._main_tasks.discard)
        raise Serving(task)

    def run_in_executor(self, executor, func, *args):
        """There are no threads: the function runs now, and holds up the instance."""
        future = self.create_future()
        self.warn_of_threads()
        try:
            future.set_result(self.call_blocking(func, *args))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            future.set_exception(error)
        return future

    def warn_of_threads(self):
        if not self._has_warned:
            self._has_warned = True
            logging.getLogger("asyncio").warning(
                "there are no threads: what is given to an executor runs at once, and all requests wait for it"
            )

    def run_ready(self):
        """Runs what is ready, for a while. Returns whether there is more."""
        ready, scheduled = self.ready, self._scheduled
        until = _now() + TURN if self._began else 0
        for _ in range(TURNS):
            if scheduled:
                self._take_due()
            for count in range(len(ready)):
                handle = ready.popleft()
                if not handle._cancelled:
                    handle._run()
                if count & 7 == 7 and self._began and _now() > until:
                    break
            if self.unflushed:
                connections, self.unflushed = self.unflushed, []
                for connection in connections:
                    connection.flush_now()
            if not ready or (self._began and _now() > until):
                break
        if scheduled and self._waitables is not None:
            self._arm(scheduled[0]._when)
        if self._to_wake:
            frames, self._to_wake = self._to_wake, []
            for frame in frames:
                frame.wake()
        if self.on_idle is not None and not ready and all(type(wait) is float for wait, _ in self._waits.values()):
            self.on_idle()
        return bool(ready)

    def _take_due(self):
        """Moves the timers that are due to what is ready."""
        scheduled, now = self._scheduled, None
        while scheduled:
            timer = scheduled[0]
            if timer._cancelled:
                self._timer_cancelled_count -= 1
            else:
                if now is None:
                    now = self.time()
                if timer._when > now:
                    return
                self.ready.append(timer)
            heapq.heappop(scheduled)
            timer._scheduled = False

    def _arm(self, when):
        """Waits in the host for the earliest timer."""
        if self._armed is not None and self._armed <= when:
            return
        result = runtime.call_import(_WAIT_UNTIL, [max(0, int(when * 1e9) + 1)])
        if isinstance(result, Ok):
            self.call_soon(lambda: None)
            return
        self._armed = when
        self._wait(result, when)

    def _wait(self, result, future):
        waitable, promise = result.value
        self._waits[waitable] = (future, promise)
        runtime.waitable_join(waitable, self._waitables)
        return promise

    def waitables(self):
        return self._waitables

    async def of_host(self, result):
        """The result of a call to the host that may have to be waited for."""
        if isinstance(result, Ok):
            return result.value
        future = self.create_future()
        promise = self._wait(result, future)
        return runtime.promise_get_result(await future, promise)

    def arrived(self, event, waitable, code):
        """The host reports an end of something that is waited for."""
        if event == SUBTASK and code != RETURNED:
            return
        future, promise = self._waits.pop(waitable)
        runtime.waitable_join(waitable, 0)
        if event == SUBTASK:
            runtime.subtask_drop(waitable)
        if type(future) is float:
            if self._armed == future:
                self._armed = None
            runtime.promise_get_result(code, promise)
        elif future.done():
            # Its task was cancelled meanwhile.
            runtime.promise_get_result(code, promise)
        else:
            future.set_result(code)


loop = Loop()
asyncio.set_event_loop(loop)
events._set_running_loop(None)

_current = None  # the call that turns the loop
_spare = []  # streams of calls that have waited and are over


class Frame:
    """One call of the host. As a context, it has the loop run for what is done inside."""

    __slots__ = ("index", "borrows", "result", "stays", "ended", "_stream", "_promise")

    def __init__(self, index, borrows):
        self.index, self.borrows = index, borrows
        self.result = self.ended = None
        self.stays = False
        self._stream = self._promise = None

    def __enter__(self):
        global _current
        _current = self
        events._set_running_loop(loop)

    def __exit__(self, *_):
        global _current
        _current = None
        events._set_running_loop(None)

    def settle(self, value):
        """Sets the result of the call, if it has none."""
        self._settle(Ok(value))

    def fail(self, error):
        """Ends the call with an error of its function."""
        self._settle(Err(error))

    def _settle(self, result):
        if self.result is None:
            self.result = result
            if self is not _current:
                loop._to_wake.append(self)

    def wake(self):
        """Has the host turn to this call. It waits for a byte, so that is taken at once."""
        if self._stream is not None:
            runtime.stream_write(0, self._stream[1], b"!")

    def turn(self):
        """Turns the loop. Returns how the call goes on, in the words of the host."""
        with self:
            more = loop.run_ready()
        if self.result is not None and self.borrows is not None:
            runtime.call_task_return(self.index, self.borrows, self.result)
            self.borrows = None
            if self.ended is not None:
                self.ended()
            if self._stream is not None and self._promise is None:
                _spare.append(self._stream)
                self._stream = None
        if more:
            runtime.context_set(self)
            return YIELD
        if self.stays:
            runtime.context_set(self)
            return WAIT | loop.waitables() << 4
        if self.borrows is None:
            return EXIT
        if self._stream is None:
            if _spare:
                self._stream = _spare.pop()
            else:
                pair = runtime.stream_new(0)
                self._stream = (pair & 0xFFFFFFFF, pair >> 32, runtime.waitable_set_new())
        if self._promise is None:
            reader, _, waitables = self._stream
            self._promise = runtime.stream_read(0, reader, 1).value[1]
            runtime.waitable_join(reader, waitables)
        runtime.context_set(self)
        return WAIT | self._stream[2] << 4

    def heard(self, event, waitable, code):
        """The host reports what this call has waited for."""
        if self._stream is not None and waitable == self._stream[0]:
            runtime.waitable_join(waitable, 0)
            runtime.promise_get_result(code, self._promise)
            self._promise = None
        else:
            loop.arrived(event, waitable, code)


async def _settling(frame, coroutine):
    try:
        frame.settle(await coroutine)
    except Err as error:
        frame._settle(error)


def _first_poll(index, borrows, coroutine):
    frame = Frame(index, borrows)
    loop.create_task(_settling(frame, coroutine))
    return frame.turn()


def _callback(event, waitable, code):
    frame = runtime.context_get()
    runtime.context_set(None)
    if event:
        frame.heard(event, waitable, code)
    return frame.turn()


support.first_poll, support.callback, support.await_result = _first_poll, _callback, loop.of_host
support.spawn = loop.create_task


# What a program runs its main coroutine with.


def _run(main, *, debug=None, loop_factory=None):
    return loop.run_until_complete(main)


class Runner:
    """`asyncio.Runner`, on the one loop that there is."""

    def __init__(self, *, debug=None, loop_factory=None):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def get_loop(self):
        return loop

    def run(self, coro, *, context=None):
        return loop.run_until_complete(coro)

    def close(self):
        pass


class InlineExecutor(concurrent.futures.Executor):
    """Stands in for a pool of threads, or of processes."""

    def __init__(self, *args, **kwargs):
        pass

    def submit(self, fn, /, *args, **kwargs):
        loop.warn_of_threads()
        future = concurrent.futures.Future()
        try:
            future.set_result(loop.call_blocking(fn, *args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


asyncio.run = asyncio.runners.run = _run
asyncio.Runner = asyncio.runners.Runner = Runner
asyncio.new_event_loop = events.new_event_loop = lambda: loop
concurrent.futures.ThreadPoolExecutor = concurrent.futures.thread.ThreadPoolExecutor = InlineExecutor
concurrent.futures.ProcessPoolExecutor = InlineExecutor
