"""The same files in Tornado with another `static_url_prefix`, and a default file. Prints the answers; `renew.py` keeps
them."""

import record
import static_files
from static_files import asked

requests = [
    *(
        asked(path, method)
        for path in (
            "/s-style.css",
            "/s-sub/deep/text.txt",
            "/s-",
            "/s-sub",
            "/s-sub/",
            "/s-bare/",
            "/static/style.css",
            "/favicon.ico",
            "/robots.txt",
            "/s-nothing",
        )
        for method in ("GET", "HEAD")
    ),
    *(asked("/urls?path=" + path) for path in ("style.css", "style.css&version=no", "nothing", "")),
]

if __name__ == "__main__":
    settings = {"static_url_prefix": "/s-", "static_handler_args": {"default_filename": "index.html"}}
    record.run(static_files.app(**settings), requests)
