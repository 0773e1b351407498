"""Fetches from another server, and answers with what came."""

import asyncio
import json
import os

import tornado.web
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

PEER = os.environ["PEER"]


class Fetches(tornado.web.RequestHandler):
    async def get(self):
        client = AsyncHTTPClient()
        said = {}

        async def fetch(name, *args, **kwargs):
            try:
                response = await client.fetch(*args, **kwargs)
                said[name] = [response.code, response.body.decode()]
            except Exception as error:
                said[name] = [type(error).__name__, str(error)]

        async def produce(write):
            for _ in range(3):
                await write(b"y" * 100_000)

        pieces = []
        await fetch("get", PEER + "/entry/first")
        await fetch("missing", PEER + "/entry/none")
        await fetch("put", PEER + "/upload", method="PUT", body="x" * 300_000)
        await fetch("produced", HTTPRequest(PEER + "/upload", method="PUT", body_producer=produce))
        await fetch("streamed", PEER + "/stream", streaming_callback=pieces.append)
        said["pieces"] = b"".join(pieces).decode()
        await fetch("late", PEER + "/poll", request_timeout=0.2)
        await fetch("denied", "http://denied.example/")
        await fetch("two", PEER + "/entry/first", method="POST")
        many = [client.fetch(PEER + "/ticks") for _ in range(20)]
        said["many"] = {response.body.decode() for response in await asyncio.gather(*many)} == {"ticked"}
        self.write(json.dumps(said))


async def main():
    tornado.web.Application([(r"/", Fetches)]).listen(8888)
    await asyncio.Event().wait()


asyncio.run(main())
