"""A chat by long polling: who asks for news waits until someone says something."""

import asyncio
import os
import uuid

import tornado.escape
import tornado.locks
import tornado.web


class MessageBuffer:
    """The last messages, and a condition for those who wait for the next."""

    def __init__(self):
        self.cond = tornado.locks.Condition()
        self.cache = []
        self.cache_size = 200

    def get_messages_since(self, cursor):
        """All messages after that with this id."""
        results = []
        for message in reversed(self.cache):
            if message["id"] == cursor:
                break
            results.append(message)
        results.reverse()
        return results

    def add_message(self, message):
        self.cache.append(message)
        if len(self.cache) > self.cache_size:
            self.cache = self.cache[-self.cache_size :]
        self.cond.notify_all()


# It is that of the app's one instance, and gone when a new version of the app comes.
global_message_buffer = MessageBuffer()


class MainHandler(tornado.web.RequestHandler):
    def get(self):
        # The beginning of the path that the route hides from this app.
        prefix = self.request.headers.get("X-Forwarded-Prefix", "")
        self.render("index.html", messages=global_message_buffer.cache, prefix=prefix)


class MessageNewHandler(tornado.web.RequestHandler):
    def post(self):
        message = {"id": str(uuid.uuid4()), "body": self.get_argument("body")}
        message["html"] = tornado.escape.to_unicode(self.render_string("message.html", message=message))
        if self.get_argument("next", None):
            self.redirect(self.get_argument("next"))
        else:
            self.write(message)
        global_message_buffer.add_message(message)


class MessageUpdatesHandler(tornado.web.RequestHandler):
    async def post(self):
        cursor = self.get_argument("cursor", None)
        messages = global_message_buffer.get_messages_since(cursor)
        while not messages:
            self.wait_future = global_message_buffer.cond.wait()
            try:
                await self.wait_future
            except asyncio.CancelledError:
                return
            messages = global_message_buffer.get_messages_since(cursor)
        if self.request.connection.stream.closed():
            return
        self.write(dict(messages=messages))

    def on_connection_close(self):
        self.wait_future.cancel()


async def main():
    app = tornado.web.Application(
        [
            (r"/", MainHandler),
            (r"/a/message/new", MessageNewHandler),
            (r"/a/message/updates", MessageUpdatesHandler),
        ],
        template_path=os.path.join(os.path.dirname(__file__), "templates"),
    )
    app.listen(8888)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
