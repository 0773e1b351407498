import asyncio
import json
import os
import socket

import tornado
from tornado.iostream import IOStream, StreamClosedError
from tornado.tcpclient import TCPClient
from tornado.tcpserver import TCPServer


class EchoServer(TCPServer):
    async def handle_stream(self, stream, address):
        while True:
            try:
                data = await stream.read_until(b"\n")
                if data == b"STARTTLS\n":
                    await stream.write(b"go on\n")
                    stream = await stream.start_tls(True)
                    continue
                if data == b"bye\n":
                    stream.close()
                await stream.write(b"You sent: " + data)
            except StreamClosedError:
                Now.left += 1
                Now.changed.set()
                break


class Upper(TCPServer):
    async def handle_stream(self, stream, address):
        await stream.write((await stream.read_until(b"\n")).upper())
        stream.close()


class Now(tornado.web.RequestHandler):
    left = 0
    changed = asyncio.Event()

    async def get(self, count):
        while self.left < int(count):
            self.changed.clear()
            await self.changed.wait()
        self.write("so many")


class Client(tornado.web.RequestHandler):
    async def get(self):
        port = int(os.environ["PORT"])
        said = []
        stream = await TCPClient().connect("127.0.0.1", port)
        said += list(stream.socket.getpeername())
        await stream.write(b"one\ntwo\n")
        said.append((await stream.read_until(b"\n")).decode())
        said.append((await stream.read_bytes(14)).decode())
        # More than the system takes at once, while nothing is read.
        written = stream.write(b"x" * 5_000_000 + b"\n")
        said.append(len(await stream.read_until(b"\n")))
        await written
        stream.set_close_callback(lambda: said.append("closed"))
        await stream.write(b"bye\n")
        try:
            await stream.read_until(b"\n")
        except StreamClosedError:
            said.append("the end")
        await asyncio.sleep(0)
        stream = IOStream(socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0))
        await stream.connect(("127.0.0.1", port))
        await stream.write(b"by itself\n")
        said.append((await stream.read_until_regex(b"(\r?\n)")).decode())
        stream.close()
        for host, port in (("127.0.0.1", int(os.environ["CLOSED"])), ("denied.example", 1)):
            try:
                await TCPClient().connect(host, port)
            except Exception as error:
                said.append(f"{type(error).__name__}: {error}")
        self.write(json.dumps(said))


async def main():
    EchoServer().listen(int(os.environ.get("ECHO", "7000")))
    Upper().listen(int(os.environ.get("UPPER", "7001")))
    tornado.web.Application([(r"/now/(.*)", Now), (r"/client", Client)]).listen(8888)
    await asyncio.Event().wait()


asyncio.run(main())
