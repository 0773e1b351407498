"""What the programs in this folder have in common: a request as bytes, and Tornado's answers to many."""

import asyncio
import gzip
import json
import logging
import re
import socket

import tornado
import tornado.httpserver
import tornado.netutil

VERSION = "6.6.1"
assert tornado.version == VERSION, "the record is of Tornado %s, this is %s" % (VERSION, tornado.version)

# Differ with each run, or with each server.
NOT_RECORDED = {"date", "server"}


def request(method, target, host="example.com", headers=(), body="", version="HTTP/1.1", ends="Connection: close"):
    """A request as it goes over the wire, the last of its connection unless told otherwise."""
    lines = ["%s %s %s" % (method, target, version)]
    lines += ["Host: " + host] if host is not None else []
    lines += [*headers, ends] if ends else headers
    is_framed = any(line.startswith(("Content-Length:", "Transfer-Encoding:")) for line in headers)
    if not is_framed and (body or method in ("POST", "PUT", "PATCH")):
        lines.append("Content-Length: %d" % len(body.encode("latin-1")))
    return "\r\n".join(lines) + "\r\n\r\n" + body


def chunked(*pieces):
    """A body that says `Transfer-Encoding: chunked`."""
    return "".join("%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, ""))


def show(handler, value):
    """Writes a value so that its bytes, and so its ETag, are those that Rust writes."""
    handler.write(json.dumps(value, separators=(",", ":"), ensure_ascii=False))


def latin1(value):
    """Bytes as text: a byte is the character of its number."""
    return value.decode("latin-1")


def ask(port, sent):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall("".join(sent).encode("latin-1"))
        received = b""
        while piece := client.recv(65536):
            received += piece
    answers = []
    for asked in sent:
        if received:
            answer, received = first(asked, received)
            answers.append(answer)
    return {"sent": sent, "answers": answers}


def first(asked, received):
    """The first answer, and what comes after it."""
    head, _, rest = received.partition(b"\r\n\r\n")
    first, *lines = latin1(head).split("\r\n")
    headers = [(name.lower(), value) for name, value in (line.split(": ", 1) for line in lines)]
    # A cookie that is cleared ends at a moment in the past, whichever.
    headers = [(name, re.sub('(=""; (.*; )?expires=)[^;]*', r"\1", value)) for name, value in headers]
    # So does what may be kept for years.
    headers = [(name, "" if name == "expires" else value) for name, value in headers]
    status = first.split(" ", 1)[1]
    if asked.startswith("HEAD ") or status[:3] in ("204", "304"):
        length = 0
    else:
        length = int(dict(headers).get("content-length", len(rest)))
    body, rest = rest[:length], rest[length:]
    if body and ("content-encoding", "gzip") in headers:
        # It differs with each version of zlib.
        body = gzip.decompress(body)
        headers = [(name, value) for name, value in headers if name != "content-length"]
    headers = sorted([name, value] for name, value in headers if name not in NOT_RECORDED)
    return {"status": status, "headers": headers, "body": latin1(body)}, rest


async def answers(app, requests, **options):
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server = tornado.httpserver.HTTPServer(app, **options)
    server.add_sockets(sockets)
    port = sockets[0].getsockname()[1]
    return [await asyncio.to_thread(ask, port, sent if isinstance(sent, list) else [sent]) for sent in requests]


def run(app, requests, **options):
    """Prints the answers to requests, one connection to a line. A list of requests is sent over one connection."""
    logging.disable()
    lines = [json.dumps(answer) for answer in asyncio.run(answers(app, requests, **options))]
    print("[\n" + ",\n".join(lines) + "\n]")
