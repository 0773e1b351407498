//! Tests of what a guest is told, with streams over real sockets.

use std::time::Instant;

use futures_util::FutureExt;
use http::Request;
use tokio::net::UnixStream;

use super::*;
use crate::base::client::{Client, Protocol};
use crate::base::router::Router;
use crate::config::{Component, Guard, Protection};
use crate::guest::bindings::Arguments;
use crate::guest::resources::{App, Cancel, Forms, Meters, Stage, Target};
use crate::services::tcp::{Socket, TcpClients, Terms};

/// What stands for a stream.
fn exchange() -> Arc<Exchange> {
    let app = App {
        static_urls: None,
        router: Router::new(Vec::new()).expect("no routes"),
        settings: "{}".into(),
        login_url: None,
        protection: Protection::default(),
        signer: None,
        forms: Forms::default(),
        generation: 1,
        meters: Meters {
            routes: Vec::new(),
            none: Arc::default(),
            requests: Arc::default(),
        },
    };
    let target = Target {
        handler: 0,
        class: Arc::default(),
        kwargs: None,
        strip_prefix: None,
        guard: Guard::default(),
    };
    let client = Client {
        remote_ip: None.into(),
        protocol: Protocol::Http,
        is_proxied: false,
    };
    Exchange::new(
        Request::new(()).into_parts().0,
        client,
        Instant::now(),
        None,
        target.into(),
        Arc::new(Arguments::None),
        Stage::Whole,
        None,
        app.into(),
        true,
    )
}

fn stream() -> Stream {
    let (socket, _) = UnixStream::pair().expect("a socket");
    let terms = Terms {
        limits: Component::default().stream_limits(),
        certificates: None,
        meter: Arc::default(),
        lingers: false,
        side: |meter| &meter.streams,
    };
    let clients = TcpClients::new(Arc::default());
    clients.accepted(
        Socket::Unix(socket),
        terms.into(),
        Box::new(|_| Box::new(())),
    )
}

/// So many streams, numbered from 1, which the guest has.
fn open(count: u64) -> (Arc<OpenStreams>, Vec<Stream>) {
    let all = Arc::<OpenStreams>::default();
    let streams: Vec<_> = (1..=count)
        .map(|number| {
            let stream = stream();
            all.arrive(number, exchange(), stream.clone());
            stream
        })
        .collect();
    let news = news(&all, false).expect("news").expect("streams");
    assert_eq!(news.opened.len() as u64, count);
    (all, streams)
}

/// The news, if there are any now.
fn news(all: &Arc<OpenStreams>, is_slow: bool) -> Option<Option<News>> {
    std::future::poll_fn(|cx| all.poll_news(is_slow, cx)).now_or_never()
}

fn readable(all: &Arc<OpenStreams>, is_slow: bool) -> Vec<u64> {
    let news = news(all, is_slow).expect("news").expect("streams");
    news.readable
}

#[tokio::test]
async fn what_has_ended_hides_no_news_of_others() {
    let (all, streams) = open(4);
    for (number, stream) in (1..).zip(&streams) {
        if number < 4 {
            all.end(number);
        }
        // That wakes the instance, whether its handler has ended or not.
        stream.close();
    }
    // One at once: the first three come before it.
    assert_eq!(readable(&all, true), [4]);
    assert!(news(&all, true).is_none(), "nothing has happened since");
    all.end(4);
    assert!(news(&all, true).expect("news").is_none(), "none is left");
}

#[tokio::test]
async fn a_guest_is_told_of_more_at_once_the_sooner_it_comes_back() {
    let (all, streams) = open(200);
    streams.iter().for_each(Stream::close);
    let told = [false, false, true, true, true, true].map(|is_slow| readable(&all, is_slow).len());
    assert_eq!(told, [2, 4, 2, 1, 1, 1]);
    let mut left = 200 - told.iter().sum::<usize>();
    let mut most = 0;
    while left > 0 {
        let told = readable(&all, false).len();
        (left, most) = (left - told, most.max(told));
    }
    assert_eq!(most, AT_ONCE);
}

#[tokio::test]
async fn a_handler_is_asked_to_end_once_and_also_where_that_was_before_it_began() {
    let (all, _streams) = open(1);
    let late = exchange();
    late.cancel(Cancel::Deadline);
    all.arrive(2, late, stream());
    let begun = news(&all, false).expect("news").expect("streams");
    assert_eq!((begun.opened.len(), begun.cancelled), (1, Vec::new()));
    let told = news(&all, false).expect("news").expect("streams");
    assert_eq!((told.readable, told.cancelled), (Vec::new(), vec![2]));
    assert!(news(&all, false).is_none());
}
