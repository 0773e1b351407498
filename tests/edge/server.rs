//! Listeners that come and go, the limit on connections, and shutdown.

use std::fs;
use std::future::pending;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{SHORT, address, echo, limits, start};
use crate::harness::{Client, LONG, soon};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use waterspout::base::client;
use waterspout::base::shards::Shards;
use waterspout::config::Limits;
use waterspout::config::Listen;
use waterspout::edge::connection::{IncomingBody, Service};
use waterspout::edge::listener::Listener;
use waterspout::edge::server::Server;

/// A service that tells when it is called, and answers when `gate` lets it.
fn gated(gate: Arc<Semaphore>) -> (impl Service, mpsc::UnboundedReceiver<()>) {
    let (called, calls) = mpsc::unbounded_channel();
    let service = move |request: Request<IncomingBody>, client: client::Client| {
        let (called, gate) = (called.clone(), gate.clone());
        async move {
            called.send(()).unwrap();
            gate.acquire().await.unwrap().forget();
            echo(request, client).await
        }
    };
    (service, calls)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_waits_for_what_is_in_flight() {
    let gate = Arc::new(Semaphore::new(0));
    let (service, mut calls) = gated(gate.clone());
    let (server, address) = start(limits(), service).await;
    let server = Arc::new(server);

    let mut idle = Client::connect(address).await;
    gate.add_permits(1);
    assert_eq!(idle.get("/").await.status, 200);
    let mut silent = Client::connect(address).await;
    let mut busy = Client::connect(address).await;
    busy.send("GET /busy HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut half = Client::connect(address).await;
    half.send("GET /half HTTP/1.1\r\nHo").await;
    for _ in 0..2 {
        soon(calls.recv()).await.unwrap();
    }

    let ending = tokio::spawn({
        let server = server.clone();
        async move { server.shutdown(LONG).await }
    });
    // The idle ones end, at once or when they had the time to ask, and nobody new is let in.
    assert_eq!(idle.rest().await, b"");
    assert_eq!(silent.rest().await, b"");
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

    gate.add_permits(2);
    half.send("st: a\r\n\r\n").await;
    for (client, path) in [(&mut busy, "/busy"), (&mut half, "/half")] {
        let answer = client.answer().await;
        assert_eq!(answer.body, path);
        assert_eq!(client.rest().await, b"");
    }
    assert_eq!(soon(ending).await.unwrap(), 0);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn the_last_answer_says_that_it_is() {
    let gate = Arc::new(Semaphore::new(0));
    let (service, mut calls) = gated(gate.clone());
    let (server, address) = start(limits(), service).await;
    let mut client = Client::connect(address).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    soon(calls.recv()).await.unwrap();
    server.set_listeners(&[]).await.unwrap();
    let mut silent = Client::connect(start(limits(), echo).await.1).await;
    assert_eq!(silent.rest().await, b"", "a dropped server drains");
    gate.add_permits(1);
    let answer = client.answer().await;
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
}

#[tokio::test]
async fn what_outlasts_the_grace_is_ended_and_counted() {
    let (called, mut calls) = mpsc::unbounded_channel();
    let service = move |_: Request<IncomingBody>, _: client::Client| {
        called.send(()).unwrap();
        pending::<Response<Full<Bytes>>>()
    };
    let (server, address) = start(limits(), service).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(address).await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        soon(calls.recv()).await.unwrap();
        clients.push(client);
    }
    let began = Instant::now();
    assert_eq!(soon(server.shutdown(SHORT)).await, 3);
    assert!(began.elapsed() >= SHORT);
    for client in &mut clients {
        assert_eq!(client.rest().await, b"");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_sent_before_the_shutdown_is_answered() {
    let mut rounds = JoinSet::new();
    for _ in 0..4 {
        rounds.spawn(async {
            for _ in 0..25 {
                let (server, address) = start(limits(), echo).await;
                let mut used = Client::connect(address).await;
                assert_eq!(used.get("/").await.status, 200);
                used.send("GET /sent HTTP/1.1\r\nHost: a\r\n\r\n").await;
                assert_eq!(soon(server.shutdown(LONG)).await, 0);
                assert_eq!(used.answer().await.body, "/sent");
            }
        });
    }
    rounds.join_all().await;
}

/// Listens on a port that the system gives to nobody of its own accord. Any other is another's as soon as it is free, or
/// a client that connects there meets itself.
async fn listen_where_nobody_connects_from(server: &Server<impl Service>) -> SocketAddr {
    let seed = std::process::id() as u16;
    for port in (0..10_000).map(|step| 20_000 + seed.wrapping_add(step) % 10_000) {
        let listen = Listen::Tcp(([127, 0, 0, 1], port).into());
        match server.set_listeners(&[listen]).await {
            Ok(bound) => return address(&bound[0]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse),
        }
    }
    panic!("no port is free");
}

/// How a listener ends.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Removed,
    ShutDown,
}

/// One connection is at work, one was accepted and waits for a slot, the others are in the system's queue.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_to_be_let_in_when_a_listener_ends_are_served() {
    for ending in [Ending::Removed, Ending::ShutDown] {
        let gate = Arc::new(Semaphore::new(0));
        let (service, mut calls) = gated(gate.clone());
        let few = Limits {
            max_connections: 1,
            ..limits()
        };
        let server = Arc::new(Server::new(Shards::here(), few, service));
        let path = socket_path("waiting");
        let tcp = Listen::Tcp(([127, 0, 0, 1], 0).into());
        let both = [
            tcp,
            Listen::Unix {
                path: path.clone(),
                mode: None,
            },
        ];
        let first = address(&server.set_listeners(&both).await.unwrap()[0]);

        let mut clients = Vec::new();
        for number in 0..5 {
            let mut client = Client::connect(first).await;
            let request = format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n");
            client.send(request).await;
            clients.push(client);
            if number == 0 {
                soon(calls.recv()).await.unwrap();
            }
        }
        let mut local = Vec::new();
        for _ in 0..3 {
            let mut client = UnixStream::connect(&path).await.unwrap();
            client
                .write_all(b"GET /unix HTTP/1.1\r\nHost: a\r\n\r\n")
                .await
                .unwrap();
            local.push(client);
        }

        let ended = tokio::spawn({
            let server = server.clone();
            async move {
                match ending {
                    Ending::Removed => server.set_listeners(&[]).await.map(drop).unwrap(),
                    Ending::ShutDown => assert_eq!(server.shutdown(LONG).await, 0),
                }
            }
        });
        // It goes when all listeners have been told to end.
        let told = async {
            while path.exists() {
                tokio::task::yield_now().await;
            }
        };
        soon(told).await;
        gate.add_permits(8);
        for (number, client) in clients.iter_mut().enumerate() {
            let answer = client.answer().await;
            assert_eq!(answer.body, format!("/{number}"), "{ending:?}");
            // The first one's connection may not have been told yet.
            let says_so = answer.head.contains("connection: close");
            assert!(says_so || number == 0, "{}", answer.head);
            assert_eq!(client.rest().await, b"");
        }
        for client in &mut local {
            let mut answer = String::new();
            soon(client.read_to_string(&mut answer)).await.unwrap();
            assert!(answer.ends_with("/unix"), "{ending:?}: {answer}");
        }
        soon(ended).await.unwrap();
        let refused = TcpStream::connect(first).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
}

#[tokio::test]
async fn a_client_that_has_just_connected_may_ask_once() {
    let (server, address) = start(limits(), echo).await;
    let mut client = Client::connect(address).await;
    server.set_listeners(&[]).await.unwrap();
    let answer = client.get("/asked").await;
    assert_eq!(answer.body, "/asked");
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
    assert_eq!(client.rest().await, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_connects_while_a_listener_ends_is_served_or_refused() {
    let server = Server::new(Shards::here(), limits(), echo);
    let first = listen_where_nobody_connects_from(&server).await;
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let over = over.clone();
            tokio::spawn(async move {
                let mut served = 0;
                while !over.load(Ordering::SeqCst) {
                    match TcpStream::connect(first).await {
                        Ok(stream) => {
                            let mut client = Client::over(stream);
                            assert_eq!(client.get("/hello").await.body, "/hello");
                            served += 1;
                        }
                        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionRefused),
                    }
                }
                served
            })
        })
        .collect();
    for _ in 0..20 {
        server.set_listeners(&[]).await.unwrap();
        server.set_listeners(&[Listen::Tcp(first)]).await.unwrap();
        assert_eq!(Client::connect(first).await.get("/").await.status, 200);
    }
    over.store(true, Ordering::SeqCst);
    for client in clients {
        assert!(soon(client).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn listeners_come_and_go() {
    let (server, first) = start(limits(), echo).await;
    let mut client = Client::connect(first).await;
    assert_eq!(client.get("/").await.status, 200);

    let any = Listen::Tcp(([127, 0, 0, 1], 0).into());
    let v6 = Listen::Tcp("[::1]:0".parse().unwrap());
    let bound = server
        .set_listeners(&[v6.clone(), any.clone()])
        .await
        .unwrap();
    assert_eq!(bound, server.local_addrs().await);
    assert_eq!(
        address(&bound[1]),
        first,
        "a listener that is kept is not touched"
    );
    assert_eq!(client.get("/").await.status, 200);
    let mut second = Client::connect(address(&bound[0])).await;
    assert_eq!(second.get("/").await.status, 200);

    // A new one that can't be bound changes nothing.
    let taken = Listen::Tcp(first);
    let error = server.set_listeners(&[taken]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&first.to_string()), "{error}");
    assert_eq!(bound, server.local_addrs().await);

    server.set_listeners(&[v6]).await.unwrap();
    assert_eq!(client.rest().await, b"");
    assert_eq!(second.get("/").await.status, 200);

    // Its address is free again at once.
    let again = server.set_listeners(&[Listen::Tcp(first)]).await.unwrap();
    assert_eq!(address(&again[0]), first);
    assert_eq!(Client::connect(first).await.get("/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_past_the_limit_wait() {
    let few = |max_connections| Limits {
        max_connections,
        ..limits()
    };
    let (server, first) = start(few(2), echo).await;

    let mut clients = [Client::connect(first).await, Client::connect(first).await];
    for client in &mut clients {
        assert_eq!(client.get("/").await.status, 200);
    }
    let [one, mut two] = clients;
    let mut three = Client::connect(first).await;
    let mut four = Client::connect(first).await;
    for client in [&mut three, &mut four] {
        client
            .send("GET /waiting HTTP/1.1\r\nHost: a\r\n\r\n")
            .await;
    }
    let early = tokio::time::timeout(SHORT, three.stream.readable()).await;
    assert!(early.is_err(), "served past the limit");
    assert_eq!(server.connections(), 2);
    assert_eq!(two.get("/").await.status, 200, "the idle ones stay");

    drop(one);
    assert_eq!(three.answer().await.body, "/waiting");
    server.set_limits(few(3));
    assert_eq!(four.answer().await.body, "/waiting");
    assert_eq!(soon(server.shutdown(LONG)).await, 0);
}

#[tokio::test]
async fn a_unix_socket_is_replaced_when_stale_and_removed_when_closed() {
    let path = socket_path("stale");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());

    let listen = Listen::Unix {
        path: path.clone(),
        mode: None,
    };
    let server = Server::new(
        Shards::here(),
        limits(),
        |request, client: client::Client| async move {
            assert_eq!(client.remote_ip, client::RemoteIp::Unix);
            echo(request, client).await
        },
    );
    let bound = server
        .set_listeners(std::slice::from_ref(&listen))
        .await
        .unwrap();
    assert_eq!(bound[0], listen);
    let mut client = UnixStream::connect(&path).await.unwrap();
    client.write_all(b"GET /x HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    soon(client.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.ends_with("/x"), "{answer}");

    let error = Listener::bind(&listen).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse, "somebody answers there");
    assert_eq!(server.shutdown(Duration::ZERO).await, 0);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_that_is_not_ours_stays() {
    let path = socket_path("file");
    fs::write(&path, "precious").unwrap();
    let error = Listener::bind(&Listen::Unix {
        path: path.clone(),
        mode: None,
    })
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    fs::remove_file(&path).unwrap();

    let listener = Listener::bind(&Listen::Unix {
        path: path.clone(),
        mode: None,
    })
    .unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    drop(listener);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_file(&path).unwrap();
}

fn socket_path(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("edge-{}-{name}.sock", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}
