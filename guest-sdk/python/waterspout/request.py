"""The request, as a handler sees it. Nothing is parsed before it is asked for."""

from tornado import escape, httputil
from wit_world.imports import request as host


class HTTPServerRequest:
    __slots__ = (
        "method",
        "uri",
        "path",
        "query",
        "body",
        "_number",
        "_fields",
        "_headers",
        "_line",
        "_query_arguments",
        "_body_arguments",
        "_files",
        "_cookies",
    )

    def __init__(self, number, method, uri, fields):
        self.method, self.uri, self.body = method, uri, b""
        self.path, _, self.query = uri.partition("?")
        self._number, self._fields = number, fields
        self._headers = self._line = self._query_arguments = self._body_arguments = self._cookies = None

    @property
    def headers(self):
        if self._headers is None:
            self._headers = httputil.HTTPHeaders()
            for name, value in self._fields:
                self._headers.add(name, value.decode("latin-1"))
        return self._headers

    @property
    def _head(self):
        if self._line is None:
            self._line = host.head(self._number)
        return self._line

    @property
    def remote_ip(self):
        return self._head.remote_ip

    @property
    def protocol(self):
        return self._head.protocol

    @property
    def version(self):
        return self._head.version

    @property
    def host(self):
        return self._head.host

    @property
    def host_name(self):
        return httputil.split_host_and_port(self.host.lower())[0]

    def full_url(self):
        return f"{self.protocol}://{self.host}{self.uri}"

    def request_time(self):
        """How long ago it began, in seconds."""
        return host.request_time(self._number) / 1e9

    @property
    def query_arguments(self):
        if self._query_arguments is None:
            self._query_arguments = escape.parse_qs_bytes(self.query, keep_blank_values=True)
        return self._query_arguments

    def _parse_body(self):
        if self._body_arguments is None:
            self._body_arguments, self._files = {}, {}
            type_of_body = self.headers.get("Content-Type", "")
            httputil.parse_body_arguments(
                type_of_body, self.body, self._body_arguments, self._files, self.headers
            )

    @property
    def body_arguments(self):
        self._parse_body()
        return self._body_arguments

    @property
    def files(self):
        self._parse_body()
        return self._files

    @property
    def arguments(self):
        """Of the query, and then of the body."""
        if not self.body:
            return self.query_arguments
        both = {name: list(values) for name, values in self.query_arguments.items()}
        for name, values in self.body_arguments.items():
            both.setdefault(name, []).extend(values)
        return both

    @property
    def cookies(self):
        """By their names, as `http.cookies.Morsel`."""
        if self._cookies is None:
            self._cookies = httputil.HTTPServerRequest.cookies.fget(_Cookies(self.headers))
        return self._cookies


class _Cookies:
    """What Tornado needs to parse cookies."""

    def __init__(self, headers):
        self.headers = headers
