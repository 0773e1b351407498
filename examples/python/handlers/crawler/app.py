"""The web spider of Tornado's guide, which is in `webspider.py` as it stands there, behind a page. What it prints is the
answer, line by line.
"""

import asyncio

import tornado.template
import tornado.web
import webspider

PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>crawler</title></head>
<body>
<h1>crawler</h1>
<form>
<label>Where to begin <input name="url" value="{{ url }}" size="40"></label>
<button>Crawl</button>
</form>
<pre>{{ "\\n".join(lines) }}</pre>
</body>
</html>
"""


class MainHandler(tornado.web.RequestHandler):
    async def get(self):
        url = self.get_query_argument("url", None)
        here = f"{self.request.protocol}://{self.request.host}/"
        lines = []
        if url is not None:
            # It reads both from its module, where it finds them before those of Python.
            webspider.base_url = url
            webspider.print = lines.append
            await webspider.main()
        template = tornado.template.Template(PAGE)
        self.write(template.generate(url=url or here, lines=lines))


async def main():
    tornado.web.Application([(r"/", MainHandler)]).listen(8888)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
