"""An upload that is read as it arrives, and an answer that is sent as it is made."""

import asyncio
import hashlib

import tornado.iostream
import tornado.web


class MainHandler(tornado.web.RequestHandler):
    def get(self):
        self.write(
            '<!DOCTYPE html><html lang="en"><body><h1>upload</h1>'
            '<input type="file" id="file" aria-label="File"><pre id="answer"></pre>'
            '<p><a href="numbers?count=10">numbers, one after the other</a></p>'
            "<script>document.getElementById('file').onchange = async event => {"
            "const response = await fetch('digest', { method: 'PUT', body: event.target.files[0] });"
            "document.getElementById('answer').textContent = await response.text(); }</script>"
            "</body></html>"
        )


@tornado.web.stream_request_body
class DigestHandler(tornado.web.RequestHandler):
    def prepare(self):
        self.request.connection.set_max_body_size(2 * 1024**3)
        self.length, self.digest = 0, hashlib.sha256()

    def data_received(self, chunk):
        self.length += len(chunk)
        self.digest.update(chunk)

    def put(self):
        self.write({"length": self.length, "sha256": self.digest.hexdigest()})


class NumbersHandler(tornado.web.RequestHandler):
    async def get(self):
        self.set_header("Content-Type", "text/plain")
        for number in range(int(self.get_query_argument("count", "10"))):
            self.write(f"{number}\n")
            try:
                await self.flush()
            except tornado.iostream.StreamClosedError:
                return
            await asyncio.sleep(0.1)


async def main():
    app = tornado.web.Application(
        [
            (r"/", MainHandler),
            (r"/digest", DigestHandler),
            (r"/numbers", NumbersHandler),
        ]
    )
    app.listen(8888)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
