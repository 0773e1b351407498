//! The requests to one server, each with its right answer. Measures nothing and counts nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::ensure;

use crate::answer::Answer;
use crate::served::Server;
use crate::wire::{Question, Request, Wire, connect};
use crate::workload::Workload;

/// One request or many, which all connections together send in turns.
pub struct Questions {
    /// The protocol.
    pub wire: Wire,
    list: Vec<Question>,
    next: AtomicUsize,
}

impl Questions {
    /// Only one request, over HTTP/1.1.
    pub fn of(server: &Server, workload: Workload) -> anyhow::Result<Arc<Self>> {
        Self::over(Wire::Http1, server, workload)
    }

    /// Only one request.
    pub fn over(wire: Wire, server: &Server, workload: Workload) -> anyhow::Result<Arc<Self>> {
        let request = Request::new(workload.request(), workload.path())?;
        let check = |status: &str, body: &[u8]| workload.check(status, body);
        let answer = wire.learn(server.address, &request, check);
        let answer = answer.map_err(|error| server.explain(error))?.into();
        Ok(Self::new(wire, vec![Question { request, answer }]))
    }

    /// GETs of paths over HTTP/1.1, each with its text. An answer that is like the one before is not learned again.
    pub fn texts(
        server: &Server,
        texts: impl IntoIterator<Item = (String, String)>,
    ) -> anyhow::Result<Arc<Self>> {
        let mut stream = connect(server.address)?;
        let mut list: Vec<Question> = Vec::new();
        let mut last: Option<(String, Arc<Answer>)> = None;
        for (path, text) in texts {
            let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
            let request = Request::new(request.into_bytes(), &path)?;
            let answer = match &last {
                Some((same, answer)) if *same == text => answer.clone(),
                _ => Answer::learn(&mut stream, &request.http1, |status, body| {
                    let right = status == "200" && body == text.as_bytes();
                    let body = String::from_utf8_lossy(body);
                    ensure!(right, "{path} is wrong: {status} {body:?}");
                    Ok(())
                })
                .map_err(|error| server.explain(error))?
                .into(),
            };
            last = Some((text, answer.clone()));
            list.push(Question { request, answer });
        }
        Ok(Self::new(Wire::Http1, list))
    }

    fn new(wire: Wire, list: Vec<Question>) -> Arc<Self> {
        Arc::new(Self {
            wire,
            list,
            next: AtomicUsize::new(0),
        })
    }

    /// The next one in turn.
    pub fn next(&self) -> &Question {
        match self.list.as_slice() {
            [only] => only,
            list => &list[self.next.fetch_add(1, Ordering::Relaxed) % list.len()],
        }
    }

    /// Sends the next one on its own connection, and waits for any answer.
    pub fn ask_once(&self, address: SocketAddr) -> anyhow::Result<()> {
        let request = &self.next().request;
        self.wire.learn(address, request, |_, _| Ok(()))?;
        Ok(())
    }

    /// The first answer, without its date.
    pub fn first_answer(&self) -> Vec<u8> {
        self.list
            .first()
            .map_or_else(Vec::new, |first| first.answer.undated())
    }

    /// Longer than the longest answer, so that extra bytes are noticed.
    pub fn buffer(&self) -> Vec<u8> {
        let longest = self.list.iter().map(|question| question.answer.len()).max();
        vec![0; longest.unwrap_or_default() + 64]
    }
}
