"""What Tornado's guide shows of handlers, with the lines around it that make it an app."""

import asyncio

import tornado.web
from tornado.web import Application, url

from coroutines import FetchHandler, InterleaveHandler, ParallelHandler
from errors import ErrorHandler, JsonHandler, NotFoundHandler
from forms import MyFormHandler, UploadHandler
from stories import MainHandler, StoryHandler


class MyPhotoHandler(tornado.web.RequestHandler):
    def get(self, name):
        self.write("the photo " + name)


async def main():
    db = "main"
    app = Application(
        [
            url(r"/", MainHandler),
            url(r"/story/([0-9]+)", StoryHandler, dict(db=db), name="story"),
            url(r"/myform", MyFormHandler),
            url(r"/upload", UploadHandler),
            url(r"/json", JsonHandler),
            url(r"/errors/(teapot|plain|finish)", ErrorHandler),
            url(r"/app", tornado.web.RedirectHandler, dict(url="http://itunes.apple.com/my-app-id")),
            url(r"/photos/(.*)", MyPhotoHandler),
            url(r"/pictures/(.*)", tornado.web.RedirectHandler, dict(url=r"/photos/{0}")),
            url(r"/interleave", InterleaveHandler),
            url(r"/fetch", FetchHandler),
            url(r"/parallel", ParallelHandler),
        ],
        default_handler_class=NotFoundHandler,
    )
    app.listen(8888)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
