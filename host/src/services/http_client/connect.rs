//! One connection: its address is checked, it is dialled, through the proxy where there is one, and encrypted. Sends
//! no request.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower_service::Service;

use super::OwnListener;
use super::again::Answered;
use super::fault::Fault;
use super::origin::Origin;
use super::settings::Settings;
use super::trust::{Roots, Versions};
use crate::services::network::{Dialer, Mapping, Reach, Resolve, reach};

/// The grant by which a fetch is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By the name of its origin.
    Granted,
    /// As `"self"`: to a listener of the app, and to no other server at that address.
    Own,
}

/// Makes connections for one client.
#[derive(Clone)]
pub struct Connector {
    way: Way,
    versions: Versions,
    settings: Arc<Settings>,
    own: Arc<ArcSwap<Vec<OwnListener>>>,
    roots: Arc<Roots>,
    dialer: Dialer,
    /// For the way to the proxy, which comes from the configuration.
    plain: HttpConnector,
}

impl Connector {
    pub fn new(
        way: Way,
        versions: Versions,
        settings: Arc<Settings>,
        own: Arc<ArcSwap<Vec<OwnListener>>>,
        roots: Arc<Roots>,
        resolver: Arc<dyn Resolve>,
    ) -> Self {
        let names = settings.clone();
        let mapping: Mapping =
            Arc::new(move |name| names.config.hostname_mapping.get(name).copied());
        let mut plain = HttpConnector::new();
        plain.set_nodelay(true);
        Self {
            way,
            versions,
            settings,
            own,
            roots,
            dialer: Dialer::new(mapping, resolver),
            plain,
        }
    }

    async fn connect(mut self, uri: Uri) -> Result<TokioIo<Stream>, Fault> {
        let origin = Origin::of(&uri).ok_or(Fault::Uri)?;
        let uri = origin.uri(uri).ok_or(Fault::Uri)?;
        let (socket, proxied) = match self.way {
            Way::Own => (self.dial_own(&origin).await?, false),
            Way::Granted => {
                // A proxy resolves names by itself. Addresses are checked in any case.
                if let Ok(address) = origin.bare_host().parse::<IpAddr>()
                    && reach(address) == Reach::Never
                {
                    return Err(Fault::Prohibited(address));
                }
                match self.settings.proxy_for(&uri) {
                    Some(proxy) => self.dial_proxy(&origin, &proxy).await?,
                    None => (self.dialer.dial(uri).await?, false),
                }
            }
        };
        let stream = match origin.encrypted {
            true => self.encrypt(&origin, socket).await?,
            false => Io::Plain { socket, proxied },
        };
        Ok(TokioIo::new(Stream {
            io: stream,
            answered: Answered::default(),
        }))
    }

    async fn dial_own(&self, origin: &Origin) -> Result<TcpStream, Fault> {
        let address = own_address(&self.own.load(), origin).ok_or(Fault::NotGranted)?;
        let socket = TcpStream::connect(address).await;
        let socket = socket.map_err(Fault::Unreachable)?;
        socket.set_nodelay(true).map_err(Fault::Unreachable)?;
        Ok(socket)
    }

    /// A connection through the proxy, and whether requests must be written for a proxy.
    async fn dial_proxy(
        &mut self,
        origin: &Origin,
        proxy: &Intercept,
    ) -> Result<(TcpStream, bool), Fault> {
        let fault = |error: &dyn std::fmt::Display| Fault::Proxy(error.to_string());
        // What is to speak another protocol needs a tunnel in any case (RFC 6455, section 4.1).
        if !origin.encrypted && self.versions != Versions::Upgraded {
            let socket = self.plain.call(proxy.uri().clone()).await;
            return Ok((socket.map_err(|error| fault(&error))?.into_inner(), true));
        }
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.plain.clone());
        if let Some(password) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(password.clone());
        }
        let target = origin.with_port().ok_or(Fault::Uri)?;
        let socket = tunnel.call(target).await;
        Ok((socket.map_err(|error| fault(&error))?.into_inner(), false))
    }

    async fn encrypt(&self, origin: &Origin, socket: TcpStream) -> Result<Io, Fault> {
        let name = ServerName::try_from(origin.bare_host().to_owned()).map_err(|_| Fault::Uri)?;
        let special = match self.way {
            Way::Granted => self.settings.special(origin),
            Way::Own => None,
        };
        let connector = TlsConnector::from(self.roots.get(self.versions, special).await?);
        let stream = connector.connect(name, socket).await;
        let stream = stream.map_err(|error| Fault::of_handshake(&error))?;
        Ok(Io::Tls(Box::new(stream)))
    }
}

/// The address of the app's listener that this origin names, by an address or as `localhost`.
pub fn own_address(own: &[OwnListener], origin: &Origin) -> Option<SocketAddr> {
    let named: Option<IpAddr> = origin.bare_host().parse().ok();
    let is_localhost = origin.host == "localhost";
    let find = |listener: &&OwnListener| {
        let bound = listener.address.ip();
        let is_any = bound.is_unspecified();
        let is_named = match named {
            Some(named) => named == bound || (is_any && named == loopback(bound)),
            None => is_localhost && (is_any || bound.is_loopback()),
        };
        is_named && listener.address.port() == origin.port && listener.encrypted == origin.encrypted
    };
    let bound = own.iter().find(find)?.address;
    Some(match bound.ip().is_unspecified() {
        true => SocketAddr::new(loopback(bound.ip()), bound.port()),
        false => bound,
    })
}

/// The loopback address of the same family.
fn loopback(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = Fault;
    type Future = BoxFuture<'static, Result<Self::Response, Fault>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// A connection.
pub struct Stream {
    io: Io,
    answered: Answered,
}

enum Io {
    Plain { socket: TcpStream, proxied: bool },
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new().extra(self.answered.clone());
        match &self.io {
            Io::Plain { proxied, .. } => connected.proxy(*proxied),
            Io::Tls(stream) => match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => connected.negotiated_h2(),
                _ => connected,
            },
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain { socket, .. } => Pin::new(socket).poll_read(cx, buffer),
            Io::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Plain { socket, .. } => Pin::new(socket).poll_write(cx, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Plain { socket, .. } => Pin::new(socket).poll_write_vectored(cx, slices),
            Io::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain { socket, .. } => socket.is_write_vectored(),
            Io::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain { socket, .. } => Pin::new(socket).poll_flush(cx),
            Io::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain { socket, .. } => Pin::new(socket).poll_shutdown(cx),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
