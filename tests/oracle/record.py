"""What the programs in this folder have in common: a request as bytes, and Tornado's answers to many."""

import asyncio
import json
import logging
import socket

import tornado.httpserver
import tornado.netutil

# Differ with each run, or with each server.
NOT_RECORDED = {"date", "server"}


def request(method, target, host="example.com", headers=(), body=""):
    """A request for one connection, as it goes over the wire."""
    lines = ["%s %s HTTP/1.1" % (method, target), "Host: " + host, *headers, "Connection: close"]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append("Content-Length: %d" % len(body.encode("latin-1")))
    return "\r\n".join(lines) + "\r\n\r\n" + body


def ask(port, sent):
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(sent.encode("latin-1"))
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = [line.split(": ", 1) for line in lines]
    return {
        "sent": sent,
        "status": first.split(" ", 1)[1] if first else None,
        "headers": sorted([name.lower(), value] for name, value in headers if name.lower() not in NOT_RECORDED),
        "body": body.decode("latin-1"),
    }


async def answers(app, requests, **options):
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server = tornado.httpserver.HTTPServer(app, **options)
    server.add_sockets(sockets)
    port = sockets[0].getsockname()[1]
    return [await asyncio.to_thread(ask, port, sent) for sent in requests]


def run(app, requests, **options):
    """Prints the answers, one to a line. A byte is the character of its number, as in Latin-1."""
    logging.disable()
    lines = [json.dumps(answer) for answer in asyncio.run(answers(app, requests, **options))]
    print("[\n" + ",\n".join(lines) + "\n]")
