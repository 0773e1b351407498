//! Serves its streams as nobody should; which way is said by `HOW` of its environment. Tests of that see what becomes of the
//! streams, and that the server goes on.

use raw::tcpserver::{Guest, StreamClass};
use raw::waterspout::tcp::iostream::TcpStream;
use raw::waterspout::tcp::streams::{self, News};

struct RawTcp;

raw::tcpserver::export!(RawTcp with_types_in raw::tcpserver);

impl Guest for RawTcp {
    async fn describe() -> Vec<StreamClass> {
        vec![StreamClass {
            name: "RawTcp".to_owned(),
        }]
    }

    async fn serve() {
        match std::env::var("HOW").as_deref() {
            // Takes none of its streams.
            Ok("idle") => {}
            // Greets those of the first news, and leaves them alone.
            Ok("once") => drop(greeted(streams::next().await).await),
            // Greets all of them, and hears nothing that it is told.
            Ok("deaf") => {
                let mut kept = Vec::new();
                while let Some(news) = streams::next().await {
                    kept.extend(greeted(Some(news)).await);
                }
                std::future::pending().await
            }
            // Ends what is not there, and what is there twice.
            Ok("wrong") => {
                while let Some(news) = streams::next().await {
                    let numbers: Vec<_> = news.opened.iter().map(|one| one.stream).collect();
                    let kept = greeted(Some(news)).await;
                    for number in numbers {
                        streams::turn_to(number + 1_000);
                        streams::end(number + 1_000, Ok(()));
                        streams::end(number, Err("on purpose"));
                        streams::end(number, Ok(()));
                    }
                    drop(kept);
                }
            }
            how => panic!("{how:?}"),
        }
    }
}

async fn greeted(news: Option<News>) -> Vec<TcpStream> {
    let mut greeted = Vec::new();
    for opened in news.map(|news| news.opened).unwrap_or_default() {
        let connection = opened.connection;
        while connection.write(b"hello\n").expect("it is open") == 0 {
            connection.writable().await.expect("it is open");
        }
        greeted.push(connection);
    }
    greeted
}
