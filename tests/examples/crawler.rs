//! The example `crawler`: it finds all pages of a site, and which of them are not there.

use serde_json::Value;

use crate::harness::{App, Running, example};

async fn crawler() -> Running {
    App::new()
        .handler("crawler.wasm", example("crawler"))
        .config("[component.\"crawler.wasm\"]\nallow = { http = [\"self\"] }")
        .serve()
        .await
}

#[tokio::test]
async fn every_page_of_a_site_is_found_once() {
    let server = crawler().await;
    let site = format!("http://{}/crawler/page/", server.address);
    let found = server.json(&format!("/crawler?url={site}")).await;
    let pages = |numbers: std::ops::Range<u32>| -> Vec<String> {
        let mut pages: Vec<String> = numbers.map(|number| format!("{site}{number}")).collect();
        pages.sort_unstable();
        pages
    };
    // The first has no number.
    let fetched = [vec![site.clone()], pages(1..31)].concat();
    assert_eq!(found["fetched"], Value::from(fetched));
    assert_eq!(found["dead"], Value::from(pages(31..63)));
    // Each was asked for once, beside the crawl itself.
    server.until_count("crawler.wasm", "requests", 64).await;
}

#[tokio::test]
async fn a_site_that_is_not_granted_is_dead() {
    let server = crawler().await;
    let found = server.json("/crawler?url=http://example.com/").await;
    assert_eq!(found["fetched"], Value::Array(Vec::new()));
    assert_eq!(found["dead"], Value::from(vec!["http://example.com/"]));
}
