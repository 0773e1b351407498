"""Functions that expect a thread of their own, where there are no threads. Such a function runs immediately and holds up the
instance. As in a thread, there is no running event loop for it, and it may run a coroutine to its end.
"""

import asyncio
import heapq
import time
from asyncio import events, tasks
from collections import deque


class Blocking:
    """What the event loop does for them."""

    _depth = 0  # how many such functions run, one inside of the other

    def call_blocking(self, function, *args, **kwargs):
        """Calls a function as a thread would."""
        running = events._get_running_loop()
        if running is None:
            return function(*args, **kwargs)
        task = tasks._swap_current_task(running, None)
        events._set_running_loop(None)
        self._depth += 1
        try:
            return function(*args, **kwargs)
        finally:
            self._depth -= 1
            events._set_running_loop(running)
            tasks._swap_current_task(running, task)

    def run_blocking(self, awaitable, context=None):
        """Runs a coroutine to its end inside of such a function. Only what it begins itself is run meanwhile: another
        request would be run inside of this one. It can sleep, but gets nothing from the host.
        """
        if events._get_running_loop() is not None:
            raise RuntimeError("the event loop runs already: a coroutine is awaited here")
        outer_ready, outer_scheduled = self.ready, self._scheduled
        self.ready = self._ready = ready = deque()
        self._scheduled = []
        events._set_running_loop(self)
        try:
            if asyncio.iscoroutine(awaitable):
                task = self.create_task(awaitable, context=context)
            else:
                task = asyncio.ensure_future(awaitable, loop=self)
            while not task.done():
                self._take_due()
                if ready:
                    for _ in range(len(ready)):
                        handle = ready.popleft()
                        if not handle._cancelled:
                            handle._run()
                elif self._scheduled:
                    time.sleep(max(0, self._scheduled[0]._when - self.time()))
                else:
                    task.cancel()
                    raise RuntimeError(
                        "a coroutine that is run inside of a function can't wait for the host or for another request; "
                        "what has to wait belongs in an `async def` that is awaited"
                    )
            return task.result()
        finally:
            events._set_running_loop(None)
            # What it leaves behind goes on with everything else.
            outer_ready.extend(ready)
            for timer in self._scheduled:
                heapq.heappush(outer_scheduled, timer)
            self.ready = self._ready = outer_ready
            self._scheduled = outer_scheduled
