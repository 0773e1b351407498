"""An app's file as the module `__main__`.

`asyncio.run(main())` holds up its caller until `main` has ended. A component can't hold up a call of the host. So the top
level of the file is compiled as a coroutine, where such a call is awaited: what stands after it runs when it has ended. A
function of the file that makes such calls, and that the top level calls, has a second form as a coroutine for that. In a
method, or in another module, such a call can't wait, and what stands after it never runs.
"""

import ast
import asyncio
import copy
import inspect
import sys
import types

import tornado.gen
import tornado.httpclient
import tornado.ioloop

from .event_loop import Serving, loop

# What runs a coroutine, or the loop, until it ends; and `HTTPClient.fetch`.
RUNNERS = {"run", "run_sync", "run_until_complete", "run_forever", "start", "fetch"}

# By these names the module calls `_run` and `_pair`, and keeps the second form of a function until it is paired.
RUN, PAIR, SECOND = "__waterspout_run__", "__waterspout_pair__", "__waterspout_second__"

# Whose functions stand between a call of these and the loop.
OURS = {"asyncio", "tornado", __package__}

_second = {}  # function -> its form as a coroutine


def start(path):
    """Begins to run the file. Returns the task, whose result is the exception that has ended it, if any."""
    # It may say its own encoding.
    with open(path, "rb") as file:
        tree = ast.parse(file.read(), path)
    module = types.ModuleType("__main__")
    module.__dict__.update({"__file__": path, "__builtins__": __builtins__, RUN: _run, PAIR: _pair})
    sys.modules["__main__"] = module
    tree = ast.fix_missing_locations(_Awaiting(_waiting(tree)).visit(tree))
    code = compile(tree, path, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    loop.main_task = asyncio.Task(_whole(code, module.__dict__), loop=loop, eager_start=True)
    return loop.main_task


async def _whole(code, names):
    try:
        if code.co_flags & inspect.CO_COROUTINE:
            await types.FunctionType(code, names)()
        else:
            exec(code, names)
    except BaseException as error:
        return error


def _named(call):
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)


def _waiting(tree):
    """The names of the plain functions of a module that make such a call, or call one that does."""
    calls = {
        node.name: {_named(call) for call in ast.walk(node) if isinstance(call, ast.Call)}
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.decorator_list and not _yields(node)
    }
    found = {name for name, called in calls.items() if called & RUNNERS}
    while more := {name for name, called in calls.items() if called & found} - found:
        found |= more
    return found


def _yields(function):
    return any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in ast.walk(function))


class _Awaiting(ast.NodeTransformer):
    """Has what may run a coroutine awaited, at the top level of a module or in the second form of a function."""

    def __init__(self, waiting, is_top=True):
        self.waiting, self.is_top = waiting, is_top

    def _leave(self, node):
        return node

    visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = _leave
    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _leave

    def visit_FunctionDef(self, node):
        if not self.is_top or node.name not in self.waiting or node.decorator_list:
            return node
        inner = _Awaiting(self.waiting, is_top=False)
        body = [inner.visit(statement) for statement in copy.deepcopy(node.body)]
        fields = {name: value for name, value in ast.iter_fields(node) if name != "body"}
        # They have one name, so that tracebacks show it.
        second = ast.AsyncFunctionDef(body=body, **copy.deepcopy(fields))
        keep = ast.Assign([ast.Name(SECOND, ast.Store())], ast.Name(node.name, ast.Load()))
        pair = [ast.Name(name, ast.Load()) for name in (PAIR, node.name, SECOND)]
        pair = ast.Expr(ast.Call(pair[0], pair[1:], []))
        return [ast.copy_location(second, node), ast.copy_location(keep, node), node, ast.copy_location(pair, node)]

    def visit_Call(self, node):
        self.generic_visit(node)
        name = _named(node)
        if name not in RUNNERS and not (name in self.waiting and isinstance(node.func, ast.Name)):
            return node
        call = ast.Call(ast.Name(RUN, ast.Load()), [node.func, *node.args], node.keywords)
        return ast.copy_location(ast.Await(ast.copy_location(call, node)), node)


def _pair(function, second):
    _second[function] = second


async def _run(function, *args, **kwargs):
    """Calls it. Where it would hold up its caller, that waits."""
    if isinstance(function, types.FunctionType) and function in _second:
        return await _second[function](*args, **kwargs)
    try:
        return function(*args, **kwargs)
    except Serving as serving:
        below = serving.__traceback__.tb_next
        while below is not None:
            if below.tb_frame.f_globals.get("__name__", "").partition(".")[0] not in OURS:
                raise
            below = below.tb_next
        task = serving.task
    return await (task or loop.until_stopped())


def _run_sync(io_loop, func, timeout=None):
    """`IOLoop.run_sync`."""
    return io_loop.asyncio_loop.run_until_complete(_ended(func, timeout))


async def _ended(func, timeout):
    result = func()
    if result is None:
        return None
    try:
        return await asyncio.wait_for(tornado.gen.convert_yielded(result), timeout)
    except asyncio.TimeoutError:
        if timeout is None:
            raise
        raise asyncio.TimeoutError(f"Operation timed out after {timeout} seconds") from None


class HTTPClient:
    """`tornado.httpclient.HTTPClient`, for the main program. As in Tornado, nobody else may use it."""

    def __init__(self, async_client_class=None, **kwargs):
        self._client = (async_client_class or tornado.httpclient.AsyncHTTPClient)(force_instance=True, **kwargs)

    def close(self):
        self._client.close()

    def fetch(self, request, **kwargs):
        return loop.run_until_complete(self._client.fetch(request, **kwargs))


tornado.ioloop.IOLoop.run_sync = _run_sync
tornado.httpclient.HTTPClient = HTTPClient
