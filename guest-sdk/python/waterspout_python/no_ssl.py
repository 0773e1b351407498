"""Stands in for `ssl`, which CPython lacks on WASI. Tornado and others name what is in it even where they need none: TLS
is the host's.
"""

import asyncio  # these do without `ssl`, as long as there is none
import http.client
import sys
import types
import urllib.request

CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED = VerifyMode = 0, 1, 2
PROTOCOL_TLS = PROTOCOL_SSLv23 = 2
PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER = 16, 17
OP_ALL = OP_NO_COMPRESSION = OP_NO_SSLv2 = OP_NO_SSLv3 = OP_NO_TICKET = OP_NO_TLSv1 = OP_NO_TLSv1_1 = 0
VERIFY_DEFAULT, VERIFY_X509_STRICT, VERIFY_X509_PARTIAL_CHAIN = 0, 0x20, 0x80000
SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE, SSL_ERROR_ZERO_RETURN, SSL_ERROR_EOF = 2, 3, 6, 8
OPENSSL_VERSION, OPENSSL_VERSION_INFO, OPENSSL_VERSION_NUMBER = "none", (3, 0, 0, 0, 0), 0x30000000
HAS_SNI = HAS_ALPN = HAS_NEVER_CHECK_COMMON_NAME = HAS_TLSv1_3 = True


class SSLError(OSError):
    pass


class SSLWantReadError(SSLError):
    pass


class SSLWantWriteError(SSLError):
    pass


class SSLZeroReturnError(SSLError):
    pass


class SSLEOFError(SSLError):
    pass


class SSLSyscallError(SSLError):
    pass


class CertificateError(SSLError, ValueError):
    pass


class SSLObject:
    pass


class SSLSocket:
    pass


class MemoryBIO:
    pass


class TLSVersion:
    MINIMUM_SUPPORTED, TLSv1, TLSv1_1, TLSv1_2, TLSv1_3, MAXIMUM_SUPPORTED = -2, 769, 770, 771, 772, -1


class Purpose:
    SERVER_AUTH, CLIENT_AUTH = "server", "client"


class SSLContext:
    """Takes settings, and can't be used."""

    def __init__(self, protocol=PROTOCOL_TLS):
        self.protocol, self.verify_mode, self.check_hostname, self.options = protocol, CERT_NONE, False, 0
        self.verify_flags, self.minimum_version, self.maximum_version = 0, -2, -1
        self.keylog_filename = None

    def load_cert_chain(self, *args, **kwargs):
        pass

    def load_verify_locations(self, *args, **kwargs):
        pass

    def wrap_socket(self, *args, **kwargs):
        raise SSLError("there is no TLS in here: it is the host's")

    wrap_bio = wrap_socket


def create_default_context(*args, **kwargs):
    return SSLContext()


_module = types.ModuleType("ssl", __doc__)
_module.__dict__.update((name, value) for name, value in globals().items() if name[0] != "_")
sys.modules["ssl"] = _module
