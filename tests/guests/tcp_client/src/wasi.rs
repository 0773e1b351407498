//! Lines to servers by each way that there is: the SDK, and a guest's own stack: the standard library's, by WASI 0.2, and
//! both versions of WASI as they are.

mod older;

use std::io::{Read, Write};
use std::net::{
    IpAddr, SocketAddr, SocketAddrV6, TcpListener, TcpStream, ToSocketAddrs, UdpSocket,
};
use std::time::Duration;

use serde_json::{Value, json};
use wasip3::sockets::ip_name_lookup::resolve_addresses;
use wasip3::sockets::types::{
    IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress, TcpSocket,
};
use wasip3::wit_stream;
use waterspout_sdk::prelude::*;
use waterspout_sdk::tcpclient::TcpClient;

use crate::host;

/// `/dial?by=…&host=…&port=…`: sends a line, and tells what came back.
#[derive(Default)]
pub struct Dial;

#[handler]
#[route("/dial")]
impl RequestHandler for Dial {
    async fn get(&mut self, cx: &Context) -> Result {
        let host = host(cx)?;
        let port: u16 = cx.get_query_argument_or("port", "0")?.parse()?;
        let dialled: Result<Value> = match cx.get_query_argument("by")?.as_str() {
            "SDK" => by_the_sdk(&host, port).await,
            "std" => standard(&host, port),
            "0.2" => older::dial(&host, port),
            "0.3" => newest(&host, port).await,
            "names" => names(&host).await,
            "listen" => listen(port),
            "udp" => udp(&host, port),
            other => Err(anyhow!("by {other:?}?")),
        };
        match dialled {
            Ok(told) => cx.write_json(&json!({ "told": told })),
            Err(error) => cx.write_json(&json!({ "error": format!("{error:#}") })),
        }
    }
}

async fn by_the_sdk(host: &str, port: u16) -> Result<Value> {
    let client = TcpClient::new().with_timeout(Duration::from_secs(5));
    let stream = client.connect(host, port).await?;
    stream.write("hello\n").await?;
    let line = stream.read_until("\n").await?;
    Ok(String::from_utf8_lossy(&line).into())
}

fn standard(host: &str, port: u16) -> Result<Value> {
    let mut stream = TcpStream::connect((host, port))?;
    stream.write_all(b"hello\n")?;
    let mut line = [0; 6];
    stream.read_exact(&mut line)?;
    Ok(String::from_utf8_lossy(&line).into())
}

/// An address of a link, like `fe80::1%1`. A lookup knows none, and a socket takes it.
fn scoped(host: &str, port: u16) -> Option<SocketAddr> {
    let address = || format!("[{host}]:{port}").parse::<SocketAddrV6>().ok();
    Some(host.contains('%').then(address)??.into())
}

async fn newest(host: &str, port: u16) -> Result<Value> {
    if let Some(address) = scoped(host, port) {
        return newest_at(address).await;
    }
    let mut last = anyhow!("no address");
    for address in newest_found(host).await? {
        match newest_at(SocketAddr::new(address, port)).await {
            Ok(told) => return Ok(told),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn newest_found(host: &str) -> Result<Vec<IpAddr>> {
    let found = resolve_addresses(host.to_owned()).await;
    let found = found.map_err(|error| anyhow!("lookup: {error:?}"))?;
    let ip = |address| match address {
        IpAddress::Ipv4((a, b, c, d)) => IpAddr::from([a, b, c, d]),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => IpAddr::from([a, b, c, d, e, f, g, h]),
    };
    Ok(found.into_iter().map(ip).collect())
}

async fn newest_at(address: SocketAddr) -> Result<Value> {
    let (family, address) = match address {
        SocketAddr::V4(address) => (
            IpAddressFamily::Ipv4,
            IpSocketAddress::Ipv4(Ipv4SocketAddress {
                port: address.port(),
                address: address.ip().octets().into(),
            }),
        ),
        SocketAddr::V6(address) => (
            IpAddressFamily::Ipv6,
            IpSocketAddress::Ipv6(Ipv6SocketAddress {
                port: address.port(),
                flow_info: 0,
                address: address.ip().segments().into(),
                scope_id: address.scope_id(),
            }),
        ),
    };
    let socket = TcpSocket::create(family).map_err(|error| anyhow!("create: {error:?}"))?;
    let connected = socket.connect(address).await;
    connected.map_err(|error| anyhow!("connect: {error:?}"))?;
    let (mut writer, reader) = wit_stream::new();
    let sent = socket.send(reader);
    let (mut incoming, _end) = socket.receive();
    let left = writer.write_all(b"hello\n".to_vec()).await;
    ensure!(left.is_empty(), "not all was taken");
    drop(writer);
    let mut line = Vec::new();
    while line.len() < 6 {
        let (_, bytes) = incoming.read(Vec::with_capacity(64)).await;
        ensure!(!bytes.is_empty(), "it ended");
        line.extend(bytes);
    }
    drop(sent);
    Ok(String::from_utf8_lossy(&line).into())
}

/// What a name leads to, by all.
async fn names(host: &str) -> Result<Value> {
    let standard = (host, 1).to_socket_addrs().map_err(Into::into);
    let standard = standard.map(|all| all.map(|address| address.ip()).collect());
    let text = |found: Result<Vec<IpAddr>>| match found {
        Ok(all) => all.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    };
    Ok(json!({
        "std": text(standard),
        "0.2": text(older::found(host)),
        "0.3": text(newest_found(host).await),
    }))
}

fn listen(port: u16) -> Result<Value> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    Ok(listener.local_addr()?.to_string().into())
}

fn udp(host: &str, port: u16) -> Result<Value> {
    let socket = UdpSocket::bind(("0.0.0.0", 0))?;
    Ok(socket.send_to(b"x", (host, port))?.into())
}
