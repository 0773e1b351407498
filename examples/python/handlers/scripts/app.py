"""Programs of the guide that serve nothing, as they stand there, and a page that runs what is in them. An app imports them
like any module: what they would do as a program is below `if __name__ == "__main__"`.
"""

import asyncio

import async_generator
import asynchronous_fetch
import coroutine_fetch
import future_fetch
import multi
import tornado.web

# What each runs as a program. The first three take the URL that they fetch.
FETCHES = {
    "asynchronous_fetch": asynchronous_fetch.asynchronous_fetch,
    "coroutine_fetch": coroutine_fetch.async_fetch_gen,
    "future_fetch": future_fetch.async_fetch_manual,
}
MAINS = {"async_generator": async_generator.main, "multi": multi.main}
MODULES = [async_generator, asynchronous_fetch, coroutine_fetch, future_fetch, multi]


class MainHandler(tornado.web.RequestHandler):
    def get(self):
        links = "".join(f'<li><a href="run/{name}">{name}</a></li>' for name in [*FETCHES, *MAINS])
        self.write(f'<!DOCTYPE html><html lang="en"><body><h1>scripts</h1><ul>{links}</ul></body></html>')


class RunHandler(tornado.web.RequestHandler):
    async def get(self, name):
        lines = []
        for module in MODULES:
            module.print = lines.append
        if name in FETCHES:
            url = self.get_query_argument("url", f"{self.request.protocol}://{self.request.host}/hello")
            lines.append((await FETCHES[name](url)).decode())
        elif name in MAINS:
            await MAINS[name]()
        else:
            raise tornado.web.HTTPError(404)
        self.set_header("Content-Type", "text/plain")
        self.write("\n".join(lines) + "\n")


async def main():
    tornado.web.Application([(r"/", MainHandler), (r"/run/(.*)", RunHandler)]).listen(8888)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
