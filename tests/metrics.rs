//! `/metrics`: what it counts is what a client has counted.

use std::collections::BTreeMap;

use tokio::task::JoinSet;

use crate::harness::{App, Client, Running, example, guest, soon, versioned};

/// What `/metrics` says: value by name and labels.
async fn scrape(server: &Running) -> BTreeMap<String, f64> {
    let answer = soon(Client::connect(server.admin).await.get("/metrics")).await;
    assert_eq!(answer.status, 200);
    let kind = answer.header("content-type").unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    assert!(answer.body.ends_with("# EOF\n"), "{}", answer.body);
    let lines = answer.body.lines().filter(|line| !line.starts_with('#'));
    let samples = lines.map(|line| {
        let (name, value) = line.rsplit_once(' ').expect("a value");
        (name.to_owned(), value.parse().expect("a number"))
    });
    samples.collect()
}

/// The sum over all samples of a name whose labels have these texts in them.
fn sum(samples: &BTreeMap<String, f64>, name: &str, labels: &[&str]) -> f64 {
    let wanted = samples.iter().filter(|(sample, _)| {
        sample.split('{').next() == Some(name) && labels.iter().all(|label| sample.contains(label))
    });
    wanted.map(|(_, value)| value).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_a_client_s_own() {
    let server = App::new()
        .handler("hello.wasm", example("hello"))
        .handler("stories.wasm", example("stories"))
        .config(
            "[[route]]\npattern = '/(a|\"b\\\\)'\nhandler = 'builtin:error'\n\
             kwargs = { status_code = 410 }\n",
        )
        .serve()
        .await;
    let asked = [
        ("/hello", 200, 70),
        ("/nothing", 404, 30),
        ("/a", 410, 20),
        ("/story/x", 404, 10),
    ];
    let mut clients = JoinSet::new();
    for (path, status, count) in asked {
        for _ in 0..4 {
            let mut client = server.connect().await;
            clients.spawn(async move {
                for _ in 0..count {
                    assert_eq!(client.get(path).await.status, status);
                }
            });
        }
    }
    soon(clients.join_all()).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 400);

    let samples = scrape(&server).await;
    let requests = |labels: &[&str]| sum(&samples, "waterspout_http_requests_total", labels);
    assert_eq!(requests(&["route=\"/hello\"", "status=\"2xx\""]), 280.0);
    assert_eq!(requests(&["route=\"(none)\"", "status=\"4xx\""]), 160.0);
    let quoted = "route=\"/(a|\\\"b\\\\\\\\)\"";
    assert_eq!(requests(&[quoted, "status=\"4xx\""]), 80.0, "{samples:?}");
    assert_eq!(requests(&[]), 520.0);
    let refused = "waterspout_http_requests_refused_total";
    assert_eq!(sum(&samples, refused, &["status=\"400\""]), 1.0);
    let timed = "waterspout_http_request_duration_seconds_count";
    assert_eq!(sum(&samples, timed, &[]), 520.0);
    let bucket = "waterspout_http_request_duration_seconds_bucket";
    assert_eq!(sum(&samples, bucket, &["le=\"+Inf\""]), 520.0);
    let begun = "waterspout_generation_requests_total";
    assert_eq!(sum(&samples, begun, &["generation=\"1\""]), 520.0);
    let entered = "waterspout_queue_wait_seconds_count";
    assert_eq!(sum(&samples, entered, &["hello.wasm"]), 280.0);
    assert_eq!(sum(&samples, entered, &["stories.wasm"]), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_under_load_loses_no_count() {
    let (one, two) = (versioned("one"), versioned("two"));
    let app = App::new().handler("version.wasm", &one);
    let server = app.serve().await;
    let mut clients = JoinSet::new();
    let (over, is_over) = tokio::sync::watch::channel(false);
    for _ in 0..4 {
        let mut client = server.connect().await;
        let is_over = is_over.clone();
        clients.spawn(async move {
            let mut count = 0.0;
            while !*is_over.borrow() {
                assert_eq!(client.get("/version").await.status, 200);
                count += 1.0;
            }
            count
        });
    }
    for turn in 0..6 {
        let bytes = [&two, &one][turn % 2];
        server.app.replace("version.wasm", bytes);
        server.until_serving("version.wasm", bytes).await;
    }
    over.send(true).unwrap();
    let counted: f64 = soon(clients.join_all()).await.into_iter().sum();

    let samples = scrape(&server).await;
    assert_eq!(
        sum(&samples, "waterspout_http_requests_total", &[]),
        counted
    );
    assert_eq!(
        sum(&samples, "waterspout_generation_requests_total", &[]),
        counted
    );
    assert_eq!(
        sum(&samples, "waterspout_queue_wait_seconds_count", &[]),
        counted
    );
    assert_eq!(sum(&samples, "waterspout_generation", &[]), 7.0);
    assert_eq!(
        sum(&samples, "waterspout_swaps_total", &["result=\"ok\""]),
        6.0
    );
    assert!(
        sum(
            &samples,
            "waterspout_instantiations_total",
            &["version.wasm"]
        ) >= 7.0
    );
}

#[tokio::test]
async fn traps_overloads_and_those_who_leave_are_counted() {
    let server = App::new()
        .handler("trap.wasm", guest("trap"))
        .handler("slow.wasm", guest("slow"))
        .handler("spin.wasm", guest("spin"))
        .config(
            "[component.\"slow.wasm\"]\ninstances = 1\nmax_concurrent = 1\nmax_queue = 0\n\
             [component.\"spin.wasm\"]\ncpu_deadline = \"200ms\"\n",
        )
        .serve()
        .await;
    assert_eq!(server.get("/trap?in=get").await.status, 500);
    assert_eq!(server.get("/spin").await.status, 503);
    let mut slow = server.connect().await;
    slow.send("GET /slow?ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    server
        .until(|status| {
            crate::harness::entry(status, "slow.wasm").is_some_and(|entry| entry["in_flight"] == 1)
        })
        .await;
    assert_eq!(server.get("/slow").await.status, 503);
    let samples = scrape(&server).await;
    assert_eq!(sum(&samples, "waterspout_in_flight", &["slow.wasm"]), 1.0);
    assert_eq!(
        sum(&samples, "waterspout_overloads_total", &["slow.wasm"]),
        1.0
    );
    assert_eq!(sum(&samples, "waterspout_traps_total", &["trap.wasm"]), 1.0);
    assert_eq!(sum(&samples, "waterspout_traps_total", &["spin.wasm"]), 1.0);
    let cpu = sum(
        &samples,
        "waterspout_guest_cpu_seconds_total",
        &["spin.wasm"],
    );
    assert!((0.15..2.0).contains(&cpu), "{cpu}");
    drop(slow);
    server
        .until(|status| {
            crate::harness::entry(status, "slow.wasm").is_some_and(|entry| entry["in_flight"] == 0)
        })
        .await;
    let samples = scrape(&server).await;
    let abandoned = "waterspout_http_requests_abandoned_total";
    assert_eq!(sum(&samples, abandoned, &["route=\"/slow\""]), 1.0);
}

#[tokio::test]
async fn components_that_are_gone_are_told_of_but_never_many() {
    const MANY: usize = 105;
    let mut app = App::new();
    for number in 0..MANY {
        app = app.handler(&format!("gone{number}.wasm"), versioned("v1"));
    }
    let server = app.handler("stays.wasm", versioned("v1")).serve().await;
    assert_eq!(server.get("/gone0").await.status, 200);
    let config = server.app.path().join("waterspout.toml");
    std::fs::write(&config, "[server]\nwatch = false\n").expect("saved");
    server.until_generation(2).await;
    for number in 0..MANY {
        let file = server.app.handler_path(&format!("gone{number}.wasm"));
        std::fs::remove_file(file).expect("removed");
    }
    server.signal("HUP");
    // Removed one after the other, they may go in more than one step.
    let is_alone = |status: &serde_json::Value| {
        let components = status["components"].as_array();
        components.is_some_and(|components| components.len() == 1)
    };
    server.until(is_alone).await;
    // The last of them drain.
    let made = "waterspout_instantiations_total";
    let samples = soon(async {
        loop {
            let samples = scrape(&server).await;
            if sum(&samples, made, &["(removed)"]) >= 5.0 {
                return samples;
            }
        }
    })
    .await;
    let named = samples.keys().filter(|name| name.starts_with(made));
    assert_eq!(named.count(), 100 + 2, "{samples:?}");
    assert!(sum(&samples, made, &[]) >= MANY as f64 + 1.0);
}

#[tokio::test]
async fn a_page_of_another_site_sees_neither_status_nor_metrics() {
    let server = App::new()
        .handler("hello.wasm", example("hello"))
        .config("[server]\nadmin_hosts = [\"Status.example\"]\n")
        .serve()
        .await;
    let port = server.admin.port();
    let asked = async |head: &str| {
        let mut admin = Client::connect(server.admin).await;
        admin
            .send(format!("GET /api/status HTTP/1.1\r\n{head}\r\n"))
            .await;
        soon(admin.answer()).await
    };
    for own in [
        format!("Host: 127.0.0.1:{port}\r\n"),
        "Host: localhost\r\nOrigin: http://localhost:3000\r\n".to_owned(),
        "Host: status.example\r\nOrigin: https://status.example\r\n".to_owned(),
    ] {
        assert_eq!(asked(&own).await.status, 200, "{own}");
    }
    for foreign in [
        "Host: evil.example\r\n",
        "Host: localhost\r\nOrigin: http://evil.example\r\n",
        "Host: localhost\r\nOrigin: null\r\n",
    ] {
        let answer = asked(foreign).await;
        assert_eq!(answer.status, 403, "{foreign}");
        assert!(answer.body.contains("`admin_hosts`"), "{answer:?}");
    }
}
