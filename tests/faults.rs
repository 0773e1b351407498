//! What a person is told of a fault in a handler: where it is, why, and what to do.

use crate::harness::{App, Running, guest};

async fn serve(config: &str) -> Running {
    let app = App::new().handler("faults.wasm", guest("faults"));
    std::fs::create_dir(app.path().join("other")).expect("a folder");
    app.config(config).serve().await
}

/// What the page of a fault shows under `debug`.
async fn shown(server: &Running, fault: &str) -> String {
    let page = server.get(&format!("/faults/{fault}")).await;
    assert_eq!(page.status, 500, "{page:?}");
    page.body
}

#[tokio::test]
async fn a_fault_names_its_place_and_its_cause() {
    let one = "[settings]\ndebug = true\n[component.'faults.wasm']\ninstances = 1\n";
    let server = serve(one).await;

    let panic = shown(&server, "panic").await;
    let place = panic.lines().next().expect("a line");
    assert!(
        place.starts_with("panicked at faults/src/lib.rs:"),
        "{panic}"
    );
    assert_eq!(panic.lines().nth(1), Some("panics on purpose"), "{panic}");
    // The functions of the panic itself are left out.
    assert!(panic.contains("unreachable"), "{panic}");
    assert!(!panic.contains("std::panicking"), "{panic}");
    assert!(!panic.contains("RUST_BACKTRACE"), "{panic}");
    let lost = server
        .log
        .line_with("lost an instance in GET /faults/panic")
        .await;
    assert!(lost.contains("panicked at faults/src/lib.rs:"), "{lost}");

    let error = shown(&server, "error").await;
    assert!(
        error.starts_with("invalid digit found in string (at faults/src/lib.rs:"),
        "{error}"
    );
    // An error that is only logged has its place, too, and no later one is said to come from there.
    assert_eq!(server.get("/faults/late").await.status, 200);
    let late = server.log.line_with("Uncaught error in on_finish").await;
    assert!(late.contains("(at faults/src/lib.rs:"), "{late}");
    // A `?` that ends a closure has ended no function of the handler.
    assert_eq!(shown(&server, "inside").await, "no place is known");

    let name = shown(&server, "unknown-name").await;
    assert!(name.contains("no route is named \"falut\""), "{name}");
    let count = shown(&server, "no-arguments").await;
    assert!(
        count.contains("no path for the route \"fault\": the route takes 1 arguments, not 0"),
        "{count}"
    );
}

#[tokio::test]
async fn a_file_that_is_not_granted_is_not_only_not_there() {
    let server = serve("[settings]\ndebug = true\n").await;
    let error = shown(&server, "file").await;
    assert!(error.contains("(os error 44)"), "{error}");
    let hint = "hint: `faults.wasm` is granted no folder; one is by `allow = { read = [\"data\"] }` in \
                [component.\"faults.wasm\"]";
    assert!(error.contains(hint), "{error}");
    server.log.line_with("is granted no folder").await;

    let server = serve(
        "[settings]\ndebug = true\n[component.'faults.wasm']\nallow = { read = ['other'] }\n",
    )
    .await;
    let error = shown(&server, "file").await;
    assert!(
        error.contains("sees only those that it is granted: other"),
        "{error}"
    );
}
