//! What is asked of one server, each request with its right answer. Takes no time and counts nothing.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::ensure;

use crate::answer::Answer;
use crate::served::Server;
use crate::workload::Workload;

/// One request and what has to come for it.
pub struct Question {
    /// The request's bytes.
    pub request: Vec<u8>,
    /// Learned from the same server.
    pub answer: Arc<Answer>,
}

/// One or many, which all connections together ask in turns.
pub struct Questions {
    list: Vec<Question>,
    next: AtomicUsize,
}

impl Questions {
    /// One question alone.
    pub fn of(server: &Server, workload: Workload) -> anyhow::Result<Arc<Self>> {
        let request = workload.request();
        let check = |status: &str, body: &[u8]| workload.check(status, body);
        let answer = Answer::learn(&mut connect(server)?, &request, check);
        let answer = answer.map_err(|error| server.explain(error))?.into();
        Ok(Self::new(vec![Question { request, answer }]))
    }

    /// GETs of paths, each with the text that is there. What is like the one before is not learned again.
    pub fn texts(
        server: &Server,
        texts: impl IntoIterator<Item = (String, String)>,
    ) -> anyhow::Result<Arc<Self>> {
        let mut stream = connect(server)?;
        let mut list: Vec<Question> = Vec::new();
        let mut last: Option<(String, Arc<Answer>)> = None;
        for (path, text) in texts {
            let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").into_bytes();
            let answer = match &last {
                Some((same, answer)) if *same == text => answer.clone(),
                _ => Answer::learn(&mut stream, &request, |status, body| {
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
        Ok(Self::new(list))
    }

    fn new(list: Vec<Question>) -> Arc<Self> {
        Arc::new(Self {
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

    /// What is answered to the first, but for the date.
    pub fn first_answer(&self) -> String {
        self.list
            .first()
            .map_or_else(String::new, |first| first.answer.text())
    }

    /// Longer than the longest answer, so that more than it is seen.
    pub fn buffer(&self) -> Vec<u8> {
        let longest = self.list.iter().map(|question| question.answer.len()).max();
        vec![0; longest.unwrap_or_default() + 64]
    }
}

fn connect(server: &Server) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(server.address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(stream)
}
