"""Sockets of the host, as Tornado's `IOStream` knows sockets: they don't block, and the event loop calls when there is
something to read or room to write.
"""

import errno
import logging
import os
import socket
from asyncio import events

from .event_loop import Loop, loop
from componentize_py_types import Err
from wit_world.imports import iostream, tcpclient

# Descriptors of the host's sockets begin here. Those of files are small.
FIRST = 1 << 24

_sockets = {}  # descriptor -> HostSocket
_next = FIRST


class HostSocket:
    """A connection, or what becomes one."""

    def __init__(self, family=socket.AF_INET, type=socket.SOCK_STREAM, proto=0, fileno=None, *, connection=None):
        global _next
        if connection is None and (family not in _FAMILIES or type != socket.SOCK_STREAM or fileno is not None):
            raise OSError(errno.EPROTONOSUPPORT, "only sockets of TCP are there")
        self.family, self.type, self.proto = family, type, proto
        self.timeout = 0.0
        self._number, _next = _next, _next + 1
        _sockets[self._number] = self
        self.connection = connection
        self.on_close = None
        # Whether the host tells of what comes without being asked for each time.
        self.is_told = False
        # Something may be there to be read, and the system may take something.
        self._is_readable = self._is_writable = connection is not None
        self._reader = self._writer = None
        self._is_reading = self._is_writing = False  # something calls the reader, or the writer, sooner or later
        self._is_cut = False
        self._error = 0

    # What a socket has.

    def fileno(self):
        return self._number

    def setblocking(self, flag):
        if flag:
            raise OSError(errno.ENOTSUP, "sockets don't block: they are for an IOStream")

    def settimeout(self, value):
        self.setblocking(value != 0)

    def gettimeout(self):
        return 0.0

    def setsockopt(self, level, option, value):
        if (level, option) == (socket.IPPROTO_TCP, socket.TCP_NODELAY) and self.connection is not None:
            self.connection.set_nodelay(bool(value))

    def getsockopt(self, level, option, *_):
        if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR):
            error, self._error = self._error, 0
            return error
        return 0

    def getpeername(self):
        return address_of(self._connected().remote_address())

    def getsockname(self):
        return address_of(self._connected().local_address())

    def bind(self, *_):
        raise OSError(errno.ENOTSUP, "sockets that listen are the host's: a server's `listen` says for whom")

    listen = accept = bind

    def connect(self, address):
        loop.create_task(self._connect(address[0], address[1]))
        raise BlockingIOError(errno.EINPROGRESS, os.strerror(errno.EINPROGRESS))

    async def _connect(self, host, port):
        try:
            connection = await open_connection(host, port)
        except OSError as error:
            # The stream will only know the number.
            logging.getLogger("tornado.general").warning("%s:%s: %s", host, port, error.strerror)
            self._error = error.errno
        else:
            if self._number is None:
                return connection.close()
            self.connection = connection
        self._is_readable = self._is_writable = True
        self._turn_reader()
        self._turn_writer()

    def recv_into(self, buffer, count=0):
        count = count or len(buffer)
        if self._is_cut:
            return 0
        if not self._is_readable:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        try:
            data = self._connected().read(count)
        except Err as error:
            return _ended(error.value)
        if len(data) < count:
            self._is_readable = False
        if not data:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        buffer[: len(data)] = data
        return len(data)

    def recv(self, count):
        buffer = bytearray(count)
        return bytes(buffer[: self.recv_into(buffer)])

    def send(self, data, *_):
        if self._is_cut:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        if not self._is_writable:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        try:
            taken = self._connected().write(bytes(data))
        except Err as error:
            raise ConnectionResetError(errno.ECONNRESET, _said(error.value)) from None
        if taken < len(data):
            self._is_writable = False
        return taken

    def shutdown(self, how):
        if how != socket.SHUT_RD:
            loop.create_task(self._close_writing())

    async def _close_writing(self):
        try:
            await self._connected().close_writing()
        except Err:
            pass

    def detach(self):
        raise OSError(errno.ENOTSUP, "a socket belongs to the host")

    def abort(self):
        """The host asks for its end."""
        self._is_cut = self._is_readable = self._is_writable = True
        self._turn_reader()
        self._turn_writer()

    def close(self):
        if self._number is None:
            return
        del _sockets[self._number]
        self._number = self._reader = self._writer = None
        if self.connection is not None:
            self.connection.close()
        if self.on_close is not None:
            self.on_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _connected(self):
        if self.connection is None:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        return self.connection

    # What the event loop calls.

    def watch_reading(self, handle):
        """Says what is called; returns whether something was before."""
        before, self._reader = self._reader, handle
        self._turn_reader()
        return before is not None

    def watch_writing(self, handle):
        before, self._writer = self._writer, handle
        self._turn_writer()
        return before is not None

    def readable(self):
        """The host tells that something may be there."""
        self._is_readable = True
        self._turn_reader()

    def _turn_reader(self):
        """Has the reader called as long as it is there, and something to read."""
        if self._reader is None or self._is_reading:
            return
        if self._is_readable:
            self._is_reading = True
            loop.call_soon(self._call_reader)
        elif not self.is_told and self.connection is not None:
            self._is_reading = True
            loop.create_task(self._wait_to_read())

    def _call_reader(self):
        self._is_reading = False
        if self._reader is not None:
            self._reader._run()
            self._turn_reader()

    async def _wait_to_read(self):
        await self.connection.readable()
        self._is_readable = True
        self._call_reader()

    def _turn_writer(self):
        if self._writer is None or self._is_writing:
            return
        if self._is_writable:
            self._is_writing = True
            loop.call_soon(self._call_writer)
        elif self.connection is not None:
            self._is_writing = True
            loop.create_task(self._wait_to_write())

    def _call_writer(self):
        self._is_writing = False
        if self._writer is not None:
            self._writer._run()
            self._turn_writer()

    async def _wait_to_write(self):
        try:
            await self.connection.writable()
        except Err:
            pass  # `send` says it
        self._is_writable = True
        self._call_writer()


_FAMILIES = (socket.AF_UNSPEC, socket.AF_INET, socket.AF_INET6)


def _ended(error):
    """What reading returns at the end."""
    if isinstance(error, iostream.Error_Closed) and error.value is None:
        return 0
    raise ConnectionResetError(errno.ECONNRESET, _said(error))


def _said(error):
    return getattr(error, "value", None) or os.strerror(errno.ECONNRESET)


def address_of(text):
    """`127.0.0.1:80` and `[::1]:80` as a pair; a client by a unix socket has none."""
    host, _, port = text.rpartition(":")
    return (host.strip("[]"), int(port)) if port else ""


async def open_connection(host, port, tls=False, timeout=None):
    """Has the host connect, where it is granted."""
    nanoseconds = None if timeout is None else max(1, int(timeout * 1e9))
    try:
        return await tcpclient.connect(tcpclient.Destination(host, port, tls, nanoseconds))
    except Err as error:
        raise _no_connection(error.value, host, port) from None


def _no_connection(error, host, port):
    """The host's error, as Python's."""
    if isinstance(error, tcpclient.ConnectError_NotGranted):
        hint = f'it is by `allow = {{ tcp = ["{host}:{port}"] }}`'
        return PermissionError(errno.EACCES, f"{error.value}; {hint}")
    if isinstance(error, tcpclient.ConnectError_Timeout):
        return TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    return ConnectionRefusedError(errno.ECONNREFUSED, getattr(error, "value", str(error)))


def _number_of(fd):
    return fd if isinstance(fd, int) else fd.fileno()


def _socket_of(fd):
    found = _sockets.get(_number_of(fd))
    if found is None:
        raise OSError(errno.EBADF, "the event loop waits for sockets of the host only")
    return found


def _add_reader(loop, fd, callback, *args):
    _socket_of(fd).watch_reading(events.Handle(callback, args, loop))


def _add_writer(loop, fd, callback, *args):
    _socket_of(fd).watch_writing(events.Handle(callback, args, loop))


def _remove_reader(loop, fd):
    found = _sockets.get(_number_of(fd))
    return found is not None and found.watch_reading(None)


def _remove_writer(loop, fd):
    found = _sockets.get(_number_of(fd))
    return found is not None and found.watch_writing(None)


Loop.add_reader, Loop.add_writer = _add_reader, _add_writer
Loop.remove_reader, Loop.remove_writer = _remove_reader, _remove_writer
socket.socket = HostSocket
