"""A Django project in one file: a form, the session, a streamed answer. `ASGI` in its environment says how it is served."""

import os
import time

from django import forms
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for this test",
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    USE_TZ=True,
    TIME_ZONE="UTC",
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        f"{__name__}.only_sync",
    ],
)


def only_sync(get_response):
    """A middleware that is no coroutine: in ASGI Django goes to it and back by asgiref."""

    def middleware(request):
        response = get_response(request)
        response["X-Middle"] = "1"
        return response

    return middleware


class NameForm(forms.Form):
    name = forms.CharField(max_length=20)


def index(request):
    form = NameForm(request.POST or None)
    if form.is_valid():
        request.session["name"] = form.cleaned_data["name"]
        return HttpResponseRedirect("/")
    name = request.session.get("name")
    said = f"Hello, {name}!" if name else "Who are you?"
    token = get_token(request)
    return HttpResponse(f"<p>{said}</p><form method=post>{form}<input name=token value={token}></form>")


def stream(request):
    def pieces():
        for number in range(3):
            yield f"{request.GET['word']} {number}\n"
            time.sleep(0.01)

    async def pieces_later():
        for piece in pieces():
            yield piece

    content = pieces_later() if "ASGI" in os.environ else pieces()
    return StreamingHttpResponse(content, content_type="text/plain")


async def coroutine(request):
    import asyncio

    await asyncio.sleep(0)
    return HttpResponse("awaited")


def fails(request):
    raise ValueError("as it was told")


urlpatterns = [
    path("", index),
    path("stream", stream),
    path("async", coroutine),
    path("fails", fails),
]

application = get_asgi_application() if "ASGI" in os.environ else get_wsgi_application()
