"""Signs, reads and compares what it is told, by real Tornado: JSON in, JSON out."""

import json
import random
import sys

import tornado.web


class Request:
    """What a handler's functions for tokens ask of it."""

    def __init__(self, cookie=None):
        self.cookie = cookie

    settings = {}
    current_user = None
    set_cookie = staticmethod(lambda *_, **__: None)

    def get_cookie(self, name):
        return self.cookie

    xsrf_token = tornado.web.RequestHandler.xsrf_token
    _get_raw_xsrf_token = tornado.web.RequestHandler._get_raw_xsrf_token
    _decode_xsrf_token = tornado.web.RequestHandler._decode_xsrf_token


def value():
    return bytes(random.randrange(256) for _ in range(random.randrange(80)))


def name():
    return "".join(random.choice("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789_-.") for _ in range(1 + random.randrange(20)))


def changed(signed):
    """One bit is another, in a text that can still be one."""
    while True:
        at, bit = random.randrange(len(signed)), 1 << random.randrange(7)
        char = chr(ord(signed[at]) ^ bit)
        if " " < char <= "~":
            return signed[:at] + char + signed[at + 1 :]


def made(secret):
    pair = {"name": name(), "value": value()}
    signed = tornado.web.create_signed_value(secret, pair["name"], pair["value"]).decode()
    return {**pair, "value": pair["value"].decode("latin-1"), "signed": signed, "changed": changed(signed)}


def raw(text):
    return Request()._decode_xsrf_token(text)[1]


asked = json.load(sys.stdin)
secret = asked.get("secret")
values = [tornado.web.decode_signed_value(secret, name, signed) for name, signed in asked.get("read", [])]
tokens = []
for _ in range(asked.get("count_tokens", 0)):
    cookie = Request().xsrf_token.decode()
    tokens.append([cookie, Request(cookie).xsrf_token.decode(), Request().xsrf_token.decode()])
answer = {
    "made": [made(secret) for _ in range(asked.get("count", 0))],
    "values": [None if value is None else value.decode("latin-1") for value in values],
    "same": sum(raw(cookie) == raw(token) for cookie, token in asked.get("tokens", [])),
    "tokens": tokens,
}
json.dump(answer, sys.stdout)
