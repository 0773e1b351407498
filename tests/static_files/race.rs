//! A folder that is swapped for a link that leads out, again and again, while files in it are asked for.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use super::{app, write};

const INSIDE: u8 = b'i';
const OUTSIDE: u8 = b'#';

/// Swaps `times` times, and back.
fn swap(app: &Path, times: usize) {
    let (place, aside, link) = (app.join("static/sub"), app.join("aside"), app.join("link"));
    for _ in 0..times {
        let _ = std::fs::remove_file(&link);
        symlink("../outside", &link).unwrap();
        std::fs::rename(&place, &aside).unwrap();
        std::fs::rename(&link, &place).unwrap();
        std::fs::remove_file(&place).unwrap();
        std::fs::rename(&aside, &place).unwrap();
    }
}

async fn race(times: usize) {
    // Neither size is kept in memory: each request opens the file.
    let app = app(&[
        ("sub/large.bin", &vec![INSIDE; 1_100_000]),
        ("sub/small.bin", &[INSIDE; 100]),
    ]);
    write(&app, "outside/large.bin", &vec![OUTSIDE; 1_100_000]);
    write(&app, "outside/small.bin", &[OUTSIDE; 100]);
    let server = Arc::new(app.serve().await);
    let is_over = Arc::new(AtomicBool::new(false));
    let (path, over) = (server.app.path().to_owned(), is_over.clone());
    let swapping = std::thread::spawn(move || {
        swap(&path, times);
        over.store(true, SeqCst);
    });
    let clients: Vec<_> = (0..4)
        .map(|number| {
            let (server, is_over) = (server.clone(), is_over.clone());
            tokio::spawn(async move {
                let file = ["large", "small"][number % 2];
                let request = format!(
                    "GET /static/sub/{file}.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=0-99\r\n\r\n"
                );
                let mut client = server.connect().await;
                let (mut asked, mut served) = (0, 0);
                while !is_over.load(SeqCst) {
                    client.send(&request).await;
                    let answer = client.answer().await;
                    assert!(
                        !answer.body.bytes().any(|byte| byte == OUTSIDE),
                        "{answer:?}"
                    );
                    assert!([200, 206, 404].contains(&answer.status), "{answer:?}");
                    asked += 1;
                    served += usize::from(answer.status != 404);
                }
                (asked, served)
            })
        })
        .collect();
    let mut all = (0, 0);
    for client in clients {
        let (asked, served) = client.await.expect("no byte from outside");
        all = (all.0 + asked, all.1 + served);
    }
    swapping.join().unwrap();
    println!(
        "{times} swaps of a folder for a link, {} requests, {} served: 0 bytes from outside",
        all.0, all.1
    );
    assert!(all.1 > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_becomes_a_link_never_leads_out() {
    race(2000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes: .ci/static"]
async fn a_folder_that_becomes_a_link_a_hundred_thousand_times_never_leads_out() {
    race(100_000).await;
}
