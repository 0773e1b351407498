"""One request, one object: Tornado's `RequestHandler`, as far as it needs no server of its own."""

import datetime
import http.cookies
import json
import re
from urllib.parse import urljoin

from tornado import escape, httputil
from wit_world.imports import response as host
from wit_world.imports import waterspout_web_types as types

from .errors import Finish, HTTPError, MissingArgumentError

_TYPE = "text/html; charset=UTF-8"
_USUAL = [("content-type", _TYPE.encode())]
_CONTROLS = re.compile(r"[\x00-\x1f]")
_REQUIRED = object()

# The longest piece that the host takes at once.
PIECE = 1 << 20


class RequestHandler:
    def __init__(self, application, request, **kwargs):
        self.application, self.request = application, request
        self.path_args, self.path_kwargs = (), {}
        self._status, self._reason = 200, None
        self._headers = {}  # those that were set; a list of values each
        self._pieces = []
        self._finished = self._is_flushed = False
        self.set_default_headers()
        self.initialize(**kwargs)

    # What an app overrides.

    def initialize(self):
        pass

    def set_default_headers(self):
        pass

    def prepare(self):
        pass

    def on_finish(self):
        pass

    def on_connection_close(self):
        pass

    def write_error(self, status_code, **kwargs):
        """The page for an error. Where it is not overridden, the host makes it."""

    def log_exception(self, typ, value, tb):
        """Called for an error that is no `HTTPError`. Where it is not overridden, the host logs it."""

    # The response.

    @property
    def settings(self):
        return self.application.settings

    def set_status(self, status_code, reason=None):
        self._status, self._reason = status_code, reason

    def get_status(self):
        return self._status

    def set_header(self, name, value):
        self._headers[name.lower()] = [_text(name, value)]

    def add_header(self, name, value):
        self._headers.setdefault(name.lower(), []).append(_text(name, value))

    def clear_header(self, name):
        if name.lower() == "content-type":
            self._headers["content-type"] = []
        else:
            self._headers.pop(name.lower(), None)

    def clear(self):
        """Forgets what was said of the response."""
        self._status, self._reason, self._headers, self._pieces = 200, None, {}, []
        self.set_default_headers()

    def write(self, chunk):
        if self._finished:
            raise RuntimeError("Cannot write() after finish()")
        if type(chunk) is str:
            self._pieces.append(chunk.encode())
        elif isinstance(chunk, (bytes, bytearray)):
            self._pieces.append(bytes(chunk))
        elif isinstance(chunk, dict):
            self._pieces.append(escape.json_encode(chunk).encode())
            self._headers["content-type"] = ["application/json; charset=UTF-8"]
        elif isinstance(chunk, str):
            self._pieces.append(chunk.encode())
        else:
            raise TypeError("write() only accepts bytes, unicode, and dict objects")

    def finish(self, chunk=None):
        if self._finished:
            raise RuntimeError("finish() called twice")
        if chunk is not None:
            self.write(chunk)
        self._finished = True

    async def flush(self):
        """Sends what was written. Returns when the client has taken what was sent before."""
        pieces, self._pieces = b"".join(self._pieces), []
        for at in range(0, max(1, len(pieces)), PIECE):
            head = None if self._is_flushed else host.ResponseHead(self._status, self._reason, self._fields())
            self._is_flushed = True
            await host.flush(self.request._number, head, pieces[at : at + PIECE])

    def redirect(self, url, permanent=False, status=None):
        if self._is_flushed:
            raise Exception("Cannot redirect after headers have been written")
        if status is None:
            status = 301 if permanent else 302
        self.set_status(status)
        self.set_header("Location", urljoin(self.request.uri, escape.to_unicode(url)))
        self.finish()

    def send_error(self, status_code=500, **kwargs):
        """Ends the request with an error page."""
        reason = kwargs.get("reason")
        self.clear()
        self.set_status(status_code, reason)
        if type(self).write_error is not RequestHandler.write_error:
            self.write_error(status_code, **kwargs)
            if not self._finished:
                self.finish()
        else:
            raise HTTPError(status_code, reason=reason)

    def reverse_url(self, name, *args):
        return self.application.reverse_url(name, *args)

    # What the request says.

    def get_argument(self, name, default=_REQUIRED, strip=True):
        return self._last(self.request.arguments, name, default, strip)

    def get_arguments(self, name, strip=True):
        return self._all(self.request.arguments, name, strip)

    def get_query_argument(self, name, default=_REQUIRED, strip=True):
        return self._last(self.request.query_arguments, name, default, strip)

    def get_query_arguments(self, name, strip=True):
        return self._all(self.request.query_arguments, name, strip)

    def get_body_argument(self, name, default=_REQUIRED, strip=True):
        return self._last(self.request.body_arguments, name, default, strip)

    def get_body_arguments(self, name, strip=True):
        return self._all(self.request.body_arguments, name, strip)

    def decode_argument(self, value, name=None):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise HTTPError(400, f"Invalid unicode in {name or 'url'}: {value[:40]!r}") from None

    def _last(self, arguments, name, default, strip):
        values = self._all(arguments, name, strip)
        if values:
            return values[-1]
        if default is _REQUIRED:
            raise MissingArgumentError(name)
        return default

    def _all(self, arguments, name, strip):
        values = []
        for value in arguments.get(name, ()):
            text = _CONTROLS_BUT_SPACE.sub(" ", self.decode_argument(value, name))
            values.append(text.strip() if strip else text)
        return values

    def json(self):
        """The body, read as JSON."""
        try:
            return json.loads(self.request.body)
        except ValueError as error:
            raise HTTPError(400, f"the body is no JSON: {error}") from None

    # Cookies.

    @property
    def cookies(self):
        return self.request.cookies

    def get_cookie(self, name, default=None):
        morsel = self.request.cookies.get(name)
        return default if morsel is None else morsel.value

    def set_cookie(
        self, name, value, domain=None, expires=None, path="/", expires_days=None, *, max_age=None, **flags
    ):
        name, value = escape.native_str(name), escape.native_str(value)
        if _CONTROLS.search(name + value):
            raise ValueError(f"Invalid cookie {name!r}: {value!r}")
        jar = http.cookies.SimpleCookie()
        jar[name] = value
        morsel = jar[name]
        if expires_days is not None and not expires:
            expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=expires_days)
        for key, said in (("domain", domain), ("path", path), ("max-age", max_age)):
            if said is not None:
                morsel[key] = str(said)
        if expires:
            morsel["expires"] = httputil.format_timestamp(expires)
        for key, said in flags.items():
            if said:
                morsel[key] = said
        self.add_header("Set-Cookie", morsel.OutputString(None))

    def clear_cookie(self, name, path="/", domain=None, **flags):
        past = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)
        self.set_cookie(name, "", path=path, domain=domain, expires=past, **flags)

    def set_signed_cookie(self, name, value, expires_days=30, version=None, **flags):
        from tornado.web import create_signed_value

        signed = create_signed_value(
            self._secret(), name, value, version=version, key_version=self.settings.get("key_version")
        )
        self.set_cookie(name, signed, expires_days=expires_days, **flags)

    def get_signed_cookie(self, name, value=None, max_age_days=31, min_version=None):
        from tornado.web import decode_signed_value

        value = self.get_cookie(name) if value is None else value
        return decode_signed_value(
            self._secret(), name, value, max_age_days=max_age_days, min_version=min_version
        )

    def _secret(self):
        if "cookie_secret" not in self.settings:
            raise Exception("You must define the 'cookie_secret' setting")
        return self.settings["cookie_secret"]

    # What the host gets.

    def _fields(self):
        if not self._headers:
            return _USUAL
        fields = [] if "content-type" in self._headers else list(_USUAL)
        for name, values in self._headers.items():
            fields += [(name, value.encode("latin-1")) for value in values]
        return fields

    def _outcome(self):
        if not self._finished:
            self.finish()
        body = b"".join(self._pieces)
        return types.Outcome_Finished(types.Response(self._status, self._reason, self._fields(), body))


# As Tornado has it: what is no text becomes a blank.
_CONTROLS_BUT_SPACE = re.compile(r"[\x00-\x08\x0e-\x1f]")


def _text(name, value):
    """A header's value, as text that can be sent."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    elif isinstance(value, datetime.datetime):
        value = httputil.format_timestamp(value)
    elif not isinstance(value, str):
        value = str(value)
    if _CONTROLS.search(value):
        raise ValueError(f"Unsafe header value of {name}: {value!r}")
    return value
