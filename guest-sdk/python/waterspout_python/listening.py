"""Where an app says that it listens. The host has the sockets: a port says only which of several servers is meant."""

import logging

import tornado.httpserver
import tornado.netutil
import tornado.tcpserver

from . import tornado_tcp
from .server_options import Options

direct = None  # the app that is called without Tornado
app_server = None  # what serves a WSGI or an ASGI app
http_servers = []  # in the order in which they began to listen
on_listen = None  # called with the first server of any kind


class ListeningSocket:
    """Stands in for a socket that listens."""

    def __init__(self, port, address):
        self._address = (address or "", port)

    def getsockname(self):
        return self._address

    def fileno(self):
        return -1

    def setblocking(self, flag):
        pass

    def close(self):
        pass


def _bind_sockets(port, address=None, *args, **kwargs):
    return [ListeningSocket(port, address)]


def _bind_unix_socket(file, *args, **kwargs):
    return ListeningSocket(0, file)


def _add_sockets(server, sockets):
    for bound in sockets:
        listen(server, bound.getsockname()[1])


def listen(server, port):
    is_first = not http_servers and not tornado_tcp.servers
    if not isinstance(server, tornado.httpserver.HTTPServer):
        tornado_tcp.listen(server, port)
    elif server not in http_servers:
        server.waterspout_options = Options(server)
        http_servers.append(server)
        if len(http_servers) > 1:
            logging.getLogger("tornado.general").warning(
                "only one HTTPServer gets requests: the first that listens, until it stops"
            )
    if is_first:
        on_listen()


def listen_directly(app):
    """An app of the package `waterspout`, to which the host's calls go without Tornado."""
    global direct
    direct = app
    on_listen()


def serve_app(server):
    """Gives all requests to a WSGI or an ASGI app."""
    global app_server
    app_server = server
    on_listen()


def _stop(server):
    if server in http_servers:
        http_servers.remove(server)


def is_listening():
    return bool(http_servers or tornado_tcp.servers or direct or app_server)


tornado.netutil.bind_sockets = tornado.tcpserver.bind_sockets = _bind_sockets
tornado.netutil.bind_unix_socket = _bind_unix_socket
tornado.tcpserver.TCPServer.add_sockets = _add_sockets
tornado.httpserver.HTTPServer.stop = _stop
