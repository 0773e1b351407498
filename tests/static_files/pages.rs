//! Pages that name static files, while handler and files are swapped: what a page names is there, and nothing is kept
//! forever under the hash of something else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use super::{replace, version, write};
use crate::harness::{App, Client, Running, versioned};

/// A client that fetches the page, and then what it names.
async fn visit(client: &mut Client) -> (String, String) {
    let page = client.get("/version?static=style.css").await;
    assert_eq!(page.status, 200, "{page:?}");
    let (_, url) = page.body.split_once(' ').expect("a version and a URL");
    let asset = client.get(url).await;
    assert_eq!(asset.status, 200, "{url}: {asset:?}");
    let asked = url.split_once("?v=").map(|(_, version)| version.to_owned());
    let hash = version(asset.body.as_bytes());
    if asset
        .header("cache-control")
        .is_some_and(|said| said.starts_with("max-age"))
    {
        assert_eq!(asked.as_deref(), Some(&*hash), "kept forever: {asset:?}");
    }
    assert_eq!(asset.header("etag"), Some(&*format!("\"{hash}\"")));
    (page.body, asset.body)
}

async fn swap(server: &Running, number: usize) {
    let name = format!("v{number}");
    let handler = versioned(&name);
    let style = format!("a style of version {number}, {}", "x".repeat(number % 7));
    replace(&server.app, "static/style.css", style.as_bytes());
    server.app.replace("version.wasm", &handler);
    server.until_serving("version.wasm", &handler).await;
    let mut client = server.connect().await;
    let page = format!("{name} /static/style.css?v={}", version(style.as_bytes()));
    crate::harness::soon(async { while visit(&mut client).await.0 != page {} }).await;
}

async fn swaps(count: usize) {
    let app = App::new().handler("version.wasm", versioned("v0"));
    write(&app, "static/style.css", b"the first style");
    let server = Arc::new(app.serve().await);
    let (is_over, visits) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (server, is_over, visits) = (server.clone(), is_over.clone(), visits.clone());
            tokio::spawn(async move {
                let mut client = server.connect().await;
                while !is_over.load(SeqCst) {
                    visit(&mut client).await;
                    visits.fetch_add(1, SeqCst);
                }
            })
        })
        .collect();
    for number in 1..=count {
        swap(&server, number).await;
    }
    is_over.store(true, SeqCst);
    for client in clients {
        client.await.expect("no visit failed");
    }
    let visits = visits.load(SeqCst);
    println!(
        "{count} swaps of handler and stylesheet, {visits} pages with their stylesheets: 0 failed"
    );
    assert!(visits > count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_page_names_is_there_while_both_are_swapped() {
    swaps(10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes: .ci/static"]
async fn what_a_page_names_is_there_in_a_thousand_swaps() {
    swaps(1000).await;
}
