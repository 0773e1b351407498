"""A page with links to all apps of this folder. It takes every path that no other app takes."""

import asyncio

import tornado.template
import tornado.web

APPS = [
    ("hello", "hello_world.py", "the first program of the guide"),
    ("structure", "structure.py", "the same with `IOLoop.current().start()`"),
    ("guide/", "guide", "what the guide shows of handlers: forms, JSON, redirects, errors, coroutines"),
    ("chat/", "chat", "a chat by long polling"),
    ("socket_chat/", "socket_chat", "a chat by WebSockets"),
    ("crawler/", "crawler", "the guide's web spider, on the pages of this app"),
    ("upload/", "upload", "an upload that is read as it arrives, and an answer that is sent as it is made"),
    ("scripts/", "scripts", "programs of the guide that serve nothing"),
]

PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Python apps</title></head>
<body>
<h1>Python apps</h1>
<ul>
{% for path, name, what in apps %}<li><a href="/{{ path }}">{{ name }}</a>: {{ what }}</li>
{% end %}</ul>
</body>
</html>
"""


class MainHandler(tornado.web.RequestHandler):
    def get(self):
        template = tornado.template.Template(PAGE)
        self.write(template.generate(apps=APPS))


async def main():
    tornado.web.Application([(r"/", MainHandler)]).listen(8888)
    await asyncio.Event().wait()


asyncio.run(main())
