//! A guest's own stack: the standard library's, by WASI 0.2, and WASI 0.3 as it is.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};

use serde_json::{Value, json};
use wasip3::sockets::ip_name_lookup::resolve_addresses;
use wasip3::sockets::types::{
    IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress, TcpSocket,
};
use wasip3::wit_stream;
use waterspout_sdk::prelude::*;

/// `/dial?by=…&host=…&port=…`: sends a line, and tells what came back.
#[derive(Default)]
pub struct Dial;

#[handler]
#[route("/dial")]
impl RequestHandler for Dial {
    async fn get(&mut self, cx: &Context) -> Result {
        let host = cx.get_query_argument("host")?;
        let port: u16 = cx.get_query_argument_or("port", "0")?.parse()?;
        let dialled: Result<Value> = match cx.get_query_argument("by")?.as_str() {
            "std" => standard(&host, port),
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

fn standard(host: &str, port: u16) -> Result<Value> {
    let mut stream = TcpStream::connect((host, port))?;
    stream.write_all(b"hello\n")?;
    let mut line = [0; 6];
    stream.read_exact(&mut line)?;
    Ok(String::from_utf8_lossy(&line).into())
}

async fn newest(host: &str, port: u16) -> Result<Value> {
    let found = resolve_addresses(host.to_owned()).await;
    let found = found.map_err(|error| anyhow!("lookup: {error:?}"))?;
    let mut last = anyhow!("no address");
    for address in found {
        match newest_at(address, port).await {
            Ok(told) => return Ok(told),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn newest_at(address: IpAddress, port: u16) -> Result<Value> {
    let (family, address) = match address {
        IpAddress::Ipv4(address) => (
            IpAddressFamily::Ipv4,
            IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address }),
        ),
        IpAddress::Ipv6(address) => (
            IpAddressFamily::Ipv6,
            IpSocketAddress::Ipv6(Ipv6SocketAddress {
                port,
                flow_info: 0,
                address,
                scope_id: 0,
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

/// What a name leads to, by both.
async fn names(host: &str) -> Result<Value> {
    let standard = (host, 1).to_socket_addrs().map(|all| {
        let all = all.map(|address: SocketAddr| address.ip().to_string());
        all.collect::<Vec<_>>()
    });
    let newest = resolve_addresses(host.to_owned()).await.map(|all| {
        let text = |address| match address {
            IpAddress::Ipv4((a, b, c, d)) => IpAddr::from([a, b, c, d]).to_string(),
            IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => {
                IpAddr::from([a, b, c, d, e, f, g, h]).to_string()
            }
        };
        all.into_iter().map(text).collect::<Vec<_>>()
    });
    Ok(json!({
        "0.2": standard.map_err(|error| error.to_string()).unwrap_or_else(|error| vec![error]),
        "0.3": newest.map_err(|error| format!("{error:?}")).unwrap_or_else(|error| vec![error]),
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
