//! WASI 0.2 as it is, without the lookups that the standard library does itself.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
};
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use waterspout_sdk::prelude::*;

use super::scoped;

/// Sends a line to the first of a host's addresses that takes it, and tells what came back.
pub fn dial(host: &str, port: u16) -> Result<Value> {
    if let Some(address) = scoped(host, port) {
        return dial_at(address);
    }
    let mut last = anyhow!("no address");
    for address in found(host)? {
        match dial_at(SocketAddr::new(address, port)) {
            Ok(told) => return Ok(told),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What a name leads to.
pub fn found(host: &str) -> Result<Vec<IpAddr>> {
    let refused = |error: ErrorCode| anyhow!("lookup: {}", error.name());
    let stream = resolve_addresses(&instance_network(), host).map_err(refused)?;
    let mut found = Vec::new();
    loop {
        stream.subscribe().block();
        match stream.resolve_next_address() {
            Ok(Some(IpAddress::Ipv4((a, b, c, d)))) => found.push(IpAddr::from([a, b, c, d])),
            Ok(Some(IpAddress::Ipv6((a, b, c, d, e, f, g, h)))) => {
                found.push(IpAddr::from([a, b, c, d, e, f, g, h]));
            }
            Ok(None) => return Ok(found),
            Err(error) => return Err(refused(error)),
        }
    }
}

fn dial_at(address: SocketAddr) -> Result<Value> {
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
    let refused = |error: ErrorCode| anyhow!("connect: {}", error.name());
    let socket = create_tcp_socket(family).map_err(refused)?;
    socket
        .start_connect(&instance_network(), address)
        .map_err(refused)?;
    let (incoming, outgoing) = loop {
        socket.subscribe().block();
        match socket.finish_connect() {
            Err(ErrorCode::WouldBlock) => {}
            connected => break connected.map_err(refused)?,
        }
    };
    outgoing.blocking_write_and_flush(b"hello\n")?;
    let mut line = Vec::new();
    while line.len() < 6 {
        line.extend(incoming.blocking_read(64)?);
    }
    Ok(String::from_utf8_lossy(&line).into())
}
