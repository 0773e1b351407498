//! A connection whose waits end in time. Knows neither HTTP nor frames.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::BytesMut;

/// How much is read at most by one call.
const PIECE: usize = 64 * 1024;

#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    /// How long each wait may take.
    timeout: Duration,
    /// What has arrived and is not taken yet.
    pub unread: BytesMut,
}

impl Wire {
    /// Connects to the first of the addresses that a host and a port have and that answers.
    pub fn connect(host: &str, port: u16, timeout: Duration) -> io::Result<Self> {
        let until = Instant::now() + timeout;
        let mut last = io::Error::from(ErrorKind::NotFound);
        for address in std::net::ToSocketAddrs::to_socket_addrs(&(host, port))? {
            match TcpStream::connect_timeout(&address, left(until)?) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    let unread = BytesMut::new();
                    return Ok(Self {
                        stream,
                        timeout,
                        unread,
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// When a wait that begins now has to be over.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Waits for more; 0 at the end.
    pub fn read(&mut self, until: Instant) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(left(until)?))?;
        let begin = self.unread.len();
        self.unread.resize(begin + PIECE, 0);
        let read = loop {
            match self.stream.read(&mut self.unread[begin..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read.map_err(late),
            }
        };
        let arrived = read.as_ref().map_or(0, |arrived| *arrived);
        self.unread.truncate(begin + arrived);
        read
    }

    /// Waits until the other side, or the network, has taken all.
    pub fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let until = self.deadline();
        while !bytes.is_empty() {
            self.stream.set_write_timeout(Some(left(until)?))?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(late(error)),
            }
        }
        Ok(())
    }
}

/// The time that is left; none is an error.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    match left.is_zero() {
        true => Err(ErrorKind::TimedOut.into()),
        false => Ok(left),
    }
}

/// Unix says of a timeout that the call would block.
fn late(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::WouldBlock => ErrorKind::TimedOut.into(),
        _ => error,
    }
}
