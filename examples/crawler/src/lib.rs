//! A crawler after that of Tornado's guide: workers take addresses from a queue, and put those into it that they find.
//! It has pages of its own to crawl.

mod links;
mod pages;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use waterspout_sdk::escape::xhtml_escape;
use waterspout_sdk::gen_::interleave;
use waterspout_sdk::prelude::*;
use waterspout_sdk::queues::Queue;

use pages::Page;

/// How many pages are fetched at the same time.
const CONCURRENCY: usize = 10;

/// How many pages a crawl may find, so that a site without end ends it.
const MOST: usize = 1_000;

/// `/crawler?url=…`: crawls all that begins with this address. `/crawler`: a page that asks for an address.
#[derive(Default)]
struct Crawler;

#[handler]
#[route("/crawler")]
impl RequestHandler for Crawler {
    async fn get(&mut self, cx: &Context) -> Result {
        let (protocol, host) = (cx.request().protocol(), cx.request().host());
        let own = format!("{protocol}://{host}/crawler/page/");
        let base = cx.get_query_argument_or("url", "")?;
        if base.is_empty() {
            let page = include_str!("page.html").replace("<!-- own -->", &xhtml_escape(&own));
            return cx.write(page);
        }
        let crawl = Crawl::new(&base);
        with_timeout(Duration::from_secs(25), crawl.run()).await?;
        cx.write_json(&crawl.found.into_inner())
    }
}

/// What was found, each page under one of the two.
#[derive(Default, Serialize)]
struct Found {
    fetched: BTreeSet<String>,
    dead: BTreeSet<String>,
}

struct Crawl<'a> {
    base: &'a str,
    queue: Queue<String>,
    seen: RefCell<BTreeSet<String>>,
    found: RefCell<Found>,
}

impl<'a> Crawl<'a> {
    fn new(base: &'a str) -> Self {
        Self {
            base,
            queue: Queue::new(0),
            seen: RefCell::default(),
            found: RefCell::default(),
        }
    }

    /// Until there is no page that was not looked at.
    async fn run(&self) {
        self.add(self.base.to_owned());
        interleave(async |tasks| {
            // They wait for more when all is done; that is when they are dropped.
            let _workers = [(); CONCURRENCY].map(|()| tasks.start(self.work()));
            self.queue.join().await;
        })
        .await;
    }

    async fn work(&self) -> Result {
        loop {
            let url = self.queue.get().await;
            match fetch(&*url).await {
                Ok(page) => {
                    let text = String::from_utf8_lossy(&page.body);
                    links::of(&url, &text).for_each(|link| self.add(link));
                    self.found.borrow_mut().fetched.insert(url);
                }
                Err(error) => {
                    log::info!("unable to fetch {url}: {error}");
                    self.found.borrow_mut().dead.insert(url);
                }
            }
            self.queue.task_done()?;
        }
    }

    /// Puts an address into the queue that is new and belongs to the site.
    fn add(&self, url: String) {
        let mut seen = self.seen.borrow_mut();
        if url.starts_with(self.base) && seen.len() < MOST && seen.insert(url.clone()) {
            let _ = self.queue.put_nowait(url);
        }
    }
}

export!(Crawler, Page);
