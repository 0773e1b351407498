//! What is asked of one server, each request with its right answer. Takes no time and counts nothing.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

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
