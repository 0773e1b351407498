"""What an app tells `HTTPServer` about its connections, as far as it can be had where the host has them."""

import ipaddress
import logging

from tornado import http1connection, httpserver, netutil

_DEFAULTS = http1connection.HTTP1ConnectionParameters(header_timeout=3600)


class Context:
    """Where a request comes from, as `HTTPServerRequest` asks for it."""

    __slots__ = ("remote_ip", "protocol", "address_family", "address")

    def __init__(self, remote_ip, protocol):
        self.remote_ip, self.protocol = remote_ip, protocol
        self.address_family, self.address = None, (remote_ip, 0)

    def __str__(self):
        return self.remote_ip


class ProxiedContext(Context):
    """The same for `xheaders`: what a proxy says of the client counts, in Tornado's way."""

    def __init__(self, remote_ip, protocol, trusted_downstream):
        super().__init__(remote_ip, protocol)
        self._orig_remote_ip, self._orig_protocol = remote_ip, protocol
        self.trusted_downstream = trusted_downstream

    _apply_xheaders = httpserver._HTTPRequestContext._apply_xheaders
    _unapply_xheaders = httpserver._HTTPRequestContext._unapply_xheaders


class Decompressing(http1connection._GzipMessageDelegate):
    @property
    def delegate(self):
        return self._delegate


def _is_valid_ip(ip):
    """Tornado asks the system, which looks up no names here and so none that is a number."""
    try:
        ipaddress.ip_address(ip)
    except ValueError:
        return False
    return True


netutil.is_valid_ip = _is_valid_ip


class Options:
    """Those of one server."""

    __slots__ = ("max_body_size", "body_timeout", "chunk_size", "protocol", "_decompresses", "_trusted", "is_plain")

    def __init__(self, server):
        params = server.conn_params
        self.max_body_size = server.max_buffer_size if params.max_body_size is None else params.max_body_size
        self.body_timeout = params.body_timeout
        self.chunk_size = params.chunk_size
        self.protocol = server.protocol
        self._decompresses = params.decompress
        self._trusted = set(server.trusted_downstream or ()) if server.xheaders else None
        limits = self.max_body_size is not None or self.body_timeout is not None
        # Whether a request is taken as it comes.
        self.is_plain = not (self.protocol or self._decompresses or server.xheaders or limits)
        self._warn(server, params)

    def _warn(self, server, params):
        names = {
            "no_keep_alive": params.no_keep_alive,
            "ssl_options": server.ssl_options is not None,
            "max_header_size": params.max_header_size != _DEFAULTS.max_header_size,
            "idle_connection_timeout": params.header_timeout != _DEFAULTS.header_timeout,
        }
        names = ", ".join(name for name, is_set in names.items() if is_set)
        if names:
            logging.getLogger("tornado.general").warning(
                "HTTPServer: %s has no effect: connections are the host's, and its configuration says this", names
            )

    def apply(self, connection, has_body):
        """Says them of a request, until its handler says otherwise."""
        context = connection.context
        if self.protocol:
            context.protocol = self.protocol
        if self._trusted is not None:
            connection.context = ProxiedContext(context.remote_ip, context.protocol, self._trusted)
        if not has_body:
            return
        if self.max_body_size is not None:
            connection.set_max_body_size(self.max_body_size)
        if self.body_timeout is not None:
            connection.set_body_timeout(self.body_timeout)

    def delegate(self, delegate):
        if not self._decompresses:
            return delegate
        size = 100 << 20 if self.max_body_size is None else self.max_body_size
        return Decompressing(delegate, self.chunk_size, size)
