//! Which addresses a fetch may reach. Pure: it resolves and connects nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a fetch may reach an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It may.
    Open,
    /// The grant must name the machine itself, by `localhost` or by this address.
    Loopback,
    /// Never: link-local addresses, where clouds have their metadata, unspecified and multicast ones, and addresses
    /// that contain one of these.
    Never,
}

/// How far an address may be reached.
pub fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        [127, ..] => Reach::Loopback,
        // `0.0.0.0/8` is this machine for some systems; from 240 on it is reserved, broadcast among it.
        [0, ..] | [169, 254, ..] | [224..=255, ..] => Reach::Never,
        _ => Reach::Open,
    }
}

/// Amazon's metadata by IPv6.
const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

fn reach_v6(address: Ipv6Addr) -> Reach {
    if address == Ipv6Addr::LOCALHOST {
        return Reach::Loopback;
    }
    let is_link_local = matches!(address.segments()[0], 0xfe80..=0xfeff);
    if address.is_unspecified() || address.is_multicast() || is_link_local || address == METADATA {
        return Reach::Never;
    }
    match embedded(address) {
        // An address of this machine inside of another must be named by its own spelling.
        Some(inner) if reach_v4(inner) != Reach::Open => Reach::Never,
        _ => Reach::Open,
    }
}

/// The IPv4 address that an IPv6 address leads to.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        // Compatible (RFC 4291), mapped, translated (RFC 2765).
        [0, 0, 0, 0, 0, 0, high, low]
        | [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low] => Some(of(high, low)),
        // NAT64 (RFC 6052), and for local use (RFC 8215).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(of(high, low)),
        [0x64, 0xff9b, 1, _, _, _, high, low] => Some(of(high, low)),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => Some(of(high, low)),
        // Teredo (RFC 4380): the client's address, with all bits turned.
        [0x2001, 0, _, _, _, _, high, low] => Some(of(!high, !low)),
        // ISATAP (RFC 5214).
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => Some(of(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_this_machine_or_its_link_is_known_in_every_form() {
        let expect = |reached: Reach, addresses: &[&str]| {
            for text in addresses {
                assert_eq!(reach(text.parse().unwrap()), reached, "{text}");
            }
        };
        expect(Reach::Loopback, &["127.0.0.1", "127.255.255.254", "::1"]);
        expect(
            Reach::Open,
            &[
                "10.0.0.1",
                "172.16.0.1",
                "192.168.1.1",
                "100.64.0.1",
                "93.184.215.14",
                "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
                "fd00::1",
                "::ffff:93.184.215.14",
                "64:ff9b::5db8:d70e",
            ],
        );
        expect(
            Reach::Never,
            &[
                "0.0.0.0",
                "0.1.2.3",
                "169.254.169.254",
                "224.0.0.1",
                "239.255.255.255",
                "255.255.255.255",
                "240.0.0.1",
                "::",
                "fe80::1",
                "febf::1",
                "fec0::1",
                "ff02::1",
                "fd00:ec2::254",
                "::127.0.0.1",
                "::ffff:127.0.0.1",
                "::ffff:169.254.169.254",
                "::ffff:0:127.0.0.1",
                "64:ff9b::127.0.0.1",
                "64:ff9b::a9fe:a9fe",
                "64:ff9b:1::127.0.0.1",
                "2002:7f00:1::",
                "2002:a9fe:a9fe::1",
                "2001:0:1:2:3:4:80ff:fffe",
                "2001:db8::5efe:127.0.0.1",
            ],
        );
    }
}
