"""A Starlette app: a form, the session, a streamed answer, its lifespan, what runs in threads and what runs later."""

import asyncio
import contextlib
import time

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.routing import Route


@contextlib.asynccontextmanager
async def lifespan(app):
    await asyncio.sleep(0.01)
    yield {"words": ["from the lifespan"]}
    print("the lifespan has ended")


async def index(request):
    name = request.session.get("name")
    said = f"Hello, {name}!" if name else "Who are you?"
    return HTMLResponse(f'<p>{said}</p><form method="post" action="/login"><input name="name"></form>')


async def login(request):
    async with request.form() as form:
        request.session["name"] = form["name"]
    return RedirectResponse("/", status_code=303)


async def upload(request):
    async with request.form() as form:
        file = form["file"]
        return JSONResponse({"name": file.filename, "size": len(await file.read())})


async def stream(request):
    async def pieces():
        for number in range(3):
            yield f"{request.query_params['word']} {number}\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(pieces(), media_type="text/plain")


def blocking(request):
    """No `async def`: Starlette runs it in a thread."""
    time.sleep(0.01)
    return PlainTextResponse(request.state.words[-1])


async def later(request):
    async def task():
        await asyncio.sleep(0.01)
        request.state.words.append("from a background task")

    return PlainTextResponse("begun", background=BackgroundTask(task))


async def fails(request):
    raise ValueError("as it was told")


class Middle(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["X-Middle"] = "1"
        return response


app = Starlette(
    routes=[
        Route("/", index),
        Route("/login", login, methods=["POST"]),
        Route("/upload", upload, methods=["POST"]),
        Route("/stream", stream),
        Route("/blocking", blocking),
        Route("/later", later),
        Route("/fails", fails),
    ],
    middleware=[Middleware(SessionMiddleware, secret_key="only for this test"), Middleware(Middle)],
    lifespan=lifespan,
)

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host="0.0.0.0", port=8000)
