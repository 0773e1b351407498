"""An ASGI app without a framework: what ASGI 3.0 says of HTTP and of the lifespan."""

import asyncio
import functools
import json

said = []
disconnected = asyncio.Event()
begun = asyncio.Event()


async def begin(send, status=200, headers=()):
    fields = [(b"Content-Type", b"text/plain"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": fields})


async def answer(send, text, status=200, headers=()):
    await begin(send, status, headers)
    await send({"type": "http.response.body", "body": text.encode()})


async def scope(scope, receive, send):
    said = {key: value for key, value in scope.items() if key != "headers"}
    said["headers"] = [(name.decode(), value.decode()) for name, value in scope["headers"]]
    said["raw_path"], said["query_string"] = scope["raw_path"].decode(), scope["query_string"].decode()
    scope["state"]["visits"].append(1)
    scope["state"]["own"] = "not seen by another"
    await answer(send, json.dumps(said))


async def lengths(scope, receive, send):
    """The body as it comes: a word for each piece."""
    await begin(send)
    more = True
    while more:
        message = await receive()
        more = message["more_body"]
        if message["body"]:
            await send({"type": "http.response.body", "body": message["body"].upper(), "more_body": True})
    await send({"type": "http.response.body"})


async def held(scope, receive, send):
    """Ends when its client does."""
    disconnected.clear()
    assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
    begun.set()
    said.append((await receive())["type"])
    try:
        await answer(send, "to nobody")
    except OSError:
        said.append("OSError")
    disconnected.set()


async def until_disconnected(scope, receive, send):
    await disconnected.wait()
    await answer(send, json.dumps(said))


async def until_begun(scope, receive, send):
    await begun.wait()
    await answer(send, "begun")


async def endless(scope, receive, send):
    disconnected.clear()
    await begin(send)
    try:
        while True:
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
    except OSError:
        said.append("endless")
        disconnected.set()
        raise


async def goes_on(scope, receive, send):
    """Does something when the client has its response."""
    disconnected.clear()
    await answer(send, "sent")
    assert (await receive())["type"] == "http.disconnect"
    await asyncio.sleep(0.01)
    said.append("went on")
    disconnected.set()


async def fails(scope, receive, send):
    raise ValueError("as it was told")


async def fails_late(scope, receive, send):
    await begin(send)
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    raise ValueError("too late")


async def silent(scope, receive, send):
    await begin(send)


async def head(scope, receive, send):
    await answer(send, "x" * 7, headers=[(b"content-length", b"7")])


async def serve(routes, scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    await routes.get(scope["path"].strip("/").split("/")[0], globals()["scope"])(scope, receive, send)


async def lifespan(scope, receive, send):
    assert (await receive())["type"] == "lifespan.startup"
    await asyncio.sleep(0.01)
    scope["state"]["visits"] = []
    print("has started up")
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    await asyncio.sleep(0.01)
    print("has shut down")
    await send({"type": "lifespan.shutdown.complete"})


app = functools.partial(serve, globals())
