//! What the front page lists, in the order of the ladder. Makes no HTML.

/// An example, as its visitors see it.
pub struct Example {
    /// Its folder.
    pub name: &'static str,
    pub line: &'static str,
    pub routes: &'static [&'static str],
    /// The guide to Tornado that it is from, and the chapter.
    pub chapter: (&'static str, &'static str),
    /// What `/try/` shows. An example without it has a page of its own, at its first route.
    pub form: Option<&'static str>,
    /// The files of its `src/`.
    pub sources: &'static [(&'static str, &'static str)],
}

impl Example {
    /// Where a visitor tries it.
    pub fn page(&self) -> String {
        match self.form {
            Some(_) => format!("/try/{}", self.name),
            None => self.routes[0].to_owned(),
        }
    }
}

const DEVELOPMENT: &str = "Tornado开发指南";
const EXPLAINED: &str = "Tornado完全解读";
const SKILLS: &str = "Tornado开发技巧";
/// Its own documentation and demos; the others are in Chinese.
pub const TORNADO: &str = "Tornado";

macro_rules! sources {
    ($example:literal: $($file:literal),+) => {
        &[$(($file, include_str!(concat!("../../", $example, "/src/", $file)))),+]
    };
}

macro_rules! form {
    ($example:literal) => {
        Some(include_str!(concat!("try/", $example, ".html")))
    };
}

pub const LISTING: &[Example] = &[
    Example {
        name: "hello",
        line: "The smallest useful handler.",
        routes: &["/hello"],
        chapter: (DEVELOPMENT, "1.2 第一个web程序"),
        form: form!("hello"),
        sources: sources!("hello": "lib.rs"),
    },
    Example {
        name: "stories",
        line: "Two handlers in one component. One links to the other by the name of its route.",
        routes: &["/stories", "/story/1"],
        chapter: (DEVELOPMENT, "1.2.2 Application对象"),
        form: form!("stories"),
        sources: sources!("stories": "lib.rs"),
    },
    Example {
        name: "forms",
        line: "A form, and the body that it sends.",
        routes: &["/myform"],
        chapter: (DEVELOPMENT, "1.2.4 处理请求数据"),
        form: form!("forms"),
        sources: sources!("forms": "lib.rs"),
    },
    Example {
        name: "redirects",
        line: "Redirects: by the configuration alone, and by a handler after a form.",
        routes: &["/pictures/cat", "/photos/cat", "/guestbook"],
        chapter: (DEVELOPMENT, "1.2.7 重定向"),
        form: form!("redirects"),
        sources: sources!("redirects": "lib.rs"),
    },
    Example {
        name: "files",
        line: "Static files, whose URLs have their hashes, and a part of one.",
        routes: &["/files", "/static/weather.txt"],
        chapter: (TORNADO, "StaticFileHandler"),
        form: None,
        sources: sources!("files": "lib.rs", "page.html"),
    },
    Example {
        name: "errors",
        line: "Three ways to fail, and one error page for all of them.",
        routes: &["/errors/teapot", "/errors/plain", "/errors/trap"],
        chapter: (DEVELOPMENT, "1.2.6 错误处理"),
        form: form!("errors"),
        sources: sources!("errors": "lib.rs"),
    },
    Example {
        name: "json",
        line: "A body of JSON, which is read and checked before the method runs.",
        routes: &["/json"],
        chapter: (DEVELOPMENT, "1.2.4 处理请求数据"),
        form: form!("json"),
        sources: sources!("json": "lib.rs"),
    },
    Example {
        name: "allowlist",
        line: "A page for some addresses only, which are in the app's settings.",
        routes: &["/staff"],
        chapter: ("学习 Tornado", "HTTPServer: xheader"),
        form: form!("allowlist"),
        sources: sources!("allowlist": "lib.rs"),
    },
    Example {
        name: "auth",
        line: "Accounts with passwords, a login by a signed cookie, and forms that no other site can send.",
        routes: &["/auth/login"],
        chapter: (TORNADO, "guide/security"),
        form: None,
        sources: sources!("auth": "lib.rs", "accounts.rs", "page.html"),
    },
    Example {
        name: "upload",
        line: "A form with files.",
        routes: &["/upload"],
        chapter: (DEVELOPMENT, "1.2.4 处理请求数据"),
        form: None,
        sources: sources!("upload": "lib.rs", "upload.html"),
    },
    Example {
        name: "interleave",
        line: "An answer in three pieces. Each is sent while the next one is made.",
        routes: &["/interleave"],
        chapter: (EXPLAINED, "交叉存取"),
        form: form!("interleave"),
        sources: sources!("interleave": "lib.rs"),
    },
    Example {
        name: "fetch",
        line: "Requests to other servers, several at the same time.",
        routes: &["/fetch", "/fetch/many"],
        chapter: (DEVELOPMENT, "3.4 并行化等待"),
        form: form!("fetch"),
        sources: sources!("fetch": "lib.rs"),
    },
    Example {
        name: "chat",
        line: "A chat by long polling. Open it in two windows.",
        routes: &["/chat"],
        chapter: (EXPLAINED, "异步handler"),
        form: None,
        sources: sources!("chat": "lib.rs", "messages.rs", "chat.html"),
    },
    Example {
        name: "stream",
        line: "A clock by server-sent events, and an upload that is read as it arrives.",
        routes: &["/stream"],
        chapter: (DEVELOPMENT, "1.2.4 处理请求数据"),
        form: None,
        sources: sources!("stream": "lib.rs", "page.html"),
    },
    Example {
        name: "minute-loop",
        line: "Work that goes on without a request.",
        routes: &["/minute-loop"],
        chapter: (DEVELOPMENT, "3.5 定时任务"),
        form: None,
        sources: sources!("minute-loop": "lib.rs", "page.html"),
    },
    Example {
        name: "blocking",
        line: "Work that takes a core for a while, done in place or in another instance.",
        routes: &["/blocking/inline", "/blocking/offloaded"],
        chapter: (DEVELOPMENT, "3.3 线程/进程池"),
        form: form!("blocking"),
        sources: sources!("blocking": "lib.rs"),
    },
    Example {
        name: "crawler",
        line: "A crawler: ten workers and one queue, in one request.",
        routes: &["/crawler"],
        chapter: (EXPLAINED, "示例 - 一个并发网络爬虫"),
        form: None,
        sources: sources!("crawler": "lib.rs", "links.rs", "pages.rs", "page.html"),
    },
    Example {
        name: "ws-echo",
        line: "The smallest useful WebSocket. Each message comes back.",
        routes: &["/ws/echo"],
        chapter: (TORNADO, "tornado.websocket"),
        form: form!("ws-echo"),
        sources: sources!("ws-echo": "lib.rs"),
    },
    Example {
        name: "websocket-chat",
        line: "A chat over WebSockets, which goes on while its handler is replaced. Open it in two windows.",
        routes: &["/websocket-chat"],
        chapter: (TORNADO, "demos/websocket"),
        form: None,
        sources: sources!("websocket-chat": "lib.rs", "messages.rs", "page.html"),
    },
    Example {
        name: "ticker",
        line: "The time, once a second, to all sockets that have subscribed to it.",
        routes: &["/ticker"],
        chapter: (TORNADO, "tornado.websocket"),
        form: None,
        sources: sources!("ticker": "lib.rs", "page.html"),
    },
    Example {
        name: "echo-tcp",
        line: "Streams of bytes instead of requests: each line comes back.",
        routes: &["127.0.0.1:7000"],
        chapter: (SKILLS, "tornado框架"),
        form: form!("echo-tcp"),
        sources: sources!("echo-tcp": "lib.rs"),
    },
    Example {
        name: "gopher",
        line: "A small protocol of its own, which the web has replaced: menus and texts.",
        routes: &["127.0.0.1:7070"],
        chapter: (TORNADO, "tornado.tcpserver"),
        form: form!("gopher"),
        sources: sources!("gopher": "lib.rs"),
    },
];
