"""Asynchronous handlers, and patterns of coroutines: fetching, in parallel, interleaved with what is sent."""

import tornado.escape
import tornado.gen
import tornado.httpclient
import tornado.web
from tornado import gen


class FetchHandler(tornado.web.RequestHandler):
    async def get(self):
        http = tornado.httpclient.AsyncHTTPClient()
        response = await http.fetch(self.get_query_argument("url"))
        json = tornado.escape.json_decode(response.body)
        self.write("Fetched " + str(len(json["entries"])) + " entries "
                   "from the FriendFeed API")


class ParallelHandler(tornado.web.RequestHandler):
    @gen.coroutine
    def get(self):
        http_client = tornado.httpclient.AsyncHTTPClient()
        urls = self.get_query_arguments("url")
        responses = yield [http_client.fetch(url) for url in urls]
        named = yield {url: http_client.fetch(url) for url in urls}
        self.write({
            "list": [response.code for response in responses],
            "dict": {url: len(response.body) for url, response in named.items()},
        })


class InterleaveHandler(tornado.web.RequestHandler):
    chunks = iter(())

    @gen.coroutine
    def fetch_next_chunk(self):
        yield gen.sleep(0.01)
        return next(self.chunks, None)

    @gen.coroutine
    def get(self):
        self.chunks = iter(["chunk 1\n", "chunk 2\n", "chunk 3\n"])
        fetch_future = self.fetch_next_chunk()
        while True:
            chunk = yield fetch_future
            if chunk is None: break
            self.write(chunk)
            fetch_future = self.fetch_next_chunk()
            yield self.flush()
