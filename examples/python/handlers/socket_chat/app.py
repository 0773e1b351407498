"""A chat by WebSockets: who has the page open hears what the others say."""

import asyncio
import logging
import os
import uuid

import tornado.escape
import tornado.web
import tornado.websocket


class MainHandler(tornado.web.RequestHandler):
    def get(self):
        # The beginning of the path that the route hides from this app.
        prefix = self.request.headers.get("X-Forwarded-Prefix", "")
        self.render("index.html", messages=ChatSocketHandler.cache, prefix=prefix)


class ChatSocketHandler(tornado.websocket.WebSocketHandler):
    waiters = set()
    cache = []
    cache_size = 200

    def get_compression_options(self):
        return {}

    def open(self):
        self.waiters.add(self)

    def on_close(self):
        self.waiters.discard(self)

    @classmethod
    def update_cache(cls, chat):
        cls.cache.append(chat)
        if len(cls.cache) > cls.cache_size:
            cls.cache = cls.cache[-cls.cache_size :]

    @classmethod
    def send_updates(cls, chat):
        for waiter in list(cls.waiters):
            try:
                waiter.write_message(chat)
            except tornado.websocket.WebSocketClosedError:
                logging.warning("a socket was closed before it was written to")

    def on_message(self, message):
        parsed = tornado.escape.json_decode(message)
        chat = {"id": str(uuid.uuid4()), "body": parsed["body"]}
        chat["html"] = tornado.escape.to_unicode(self.render_string("message.html", message=chat))
        self.update_cache(chat)
        self.send_updates(chat)


async def main():
    app = tornado.web.Application(
        [
            (r"/", MainHandler),
            (r"/chatsocket", ChatSocketHandler),
        ],
        template_path=os.path.join(os.path.dirname(__file__), "templates"),
    )
    app.listen(8888)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
