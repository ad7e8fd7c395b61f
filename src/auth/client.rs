//! Whose address a call comes from.
//!
//! The other end of the connection is believed, and nothing else, unless it is a proxy that the
//! configuration names: then the header that this proxy writes is read from its right end, and the
//! first address that is no such proxy's is the client's. What stands further left was written by
//! the client itself.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// The header that proxies write the client's address into. Only one is read: a proxy that writes
/// one of them passes the other on as the client wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Who is believed when it says whom it speaks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Their addresses.
    pub trusted: Vec<IpNet>,
    /// The header they write.
    pub header: ClientHeader,
}

impl Proxies {
    /// The client's address, when the connection's other end has address `peer`.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let hops = self.hops(headers);
        let mut hops = hops.iter().rev();
        while self.trusts(client) {
            // A hop that cannot be read hides who stands behind it: the proxy before it answers.
            let Some(Some(next)) = hops.next() else { break };
            client = *next;
        }
        client
    }

    /// Whether this is the address of such a proxy.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        contains(&self.trusted, peer.to_canonical())
    }

    /// What the header says, from left to right; `None` for what is no address.
    fn hops(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        if self.trusted.is_empty() {
            return Vec::new();
        }
        let name = match self.header {
            ClientHeader::XForwardedFor => "x-forwarded-for",
            ClientHeader::Forwarded => "forwarded",
        };
        let values = headers.get_all(name).iter();
        // A value that is no text is a hop that cannot be read.
        let elements = values.flat_map(|value| value.to_str().unwrap_or("?").split(','));
        elements
            .map(|element| match self.header {
                ClientHeader::XForwardedFor => address(element),
                ClientHeader::Forwarded => forwarded_for(element),
            })
            .collect()
    }
}

/// Whether an address is in one of these networks.
pub fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// The value of `for` in one element of `Forwarded`. A quoted string with a comma or a semicolon
/// in it is cut, and is no address then.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    address(value.trim().trim_matches('"'))
}

/// An address, perhaps with a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let plain = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = plain.parse::<IpAddr>().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use crate::auth::client::{ClientHeader, Proxies};

    fn check(header: ClientHeader, peer: &str, sent: &[(&'static str, &str)], expected: &str) {
        let trusted = ["10.0.0.0/8", "2001:db8:1::/48"].map(|network| network.parse().unwrap());
        let proxies = Proxies { trusted: trusted.to_vec(), header };
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        let client = proxies.client(peer.parse().unwrap(), &headers);
        assert_eq!(client.to_string(), expected, "{peer} {sent:?}");
    }

    fn x(peer: &str, value: &str, expected: &str) {
        check(ClientHeader::XForwardedFor, peer, &[("x-forwarded-for", value)], expected);
    }

    fn forwarded(value: &str, expected: &str) {
        check(ClientHeader::Forwarded, "10.0.0.1", &[("forwarded", value)], expected);
    }

    #[test]
    fn a_stranger_is_not_believed() {
        x("203.0.113.9", "192.0.2.1", "203.0.113.9");
        x("::ffff:203.0.113.9", "192.0.2.1", "203.0.113.9");
        check(ClientHeader::XForwardedFor, "10.0.0.1", &[], "10.0.0.1");
    }

    #[test]
    fn a_proxy_is_believed_from_the_right() {
        x("10.0.0.1", "192.0.2.1", "192.0.2.1");
        x("10.0.0.1", "198.51.100.7, 192.0.2.1", "192.0.2.1");
        x("10.0.0.1", "198.51.100.7, 192.0.2.1, 10.9.9.9", "192.0.2.1");
        x("2001:db8:1::5", "198.51.100.7,2001:db8:2::1", "2001:db8:2::1");
        x("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3");
        x("::ffff:10.0.0.1", "192.0.2.1:4711", "192.0.2.1");
        x("10.0.0.1", "[2001:db8:2::1]:80", "2001:db8:2::1");
        let lines = [("x-forwarded-for", "198.51.100.7"), ("x-forwarded-for", "192.0.2.1")];
        check(ClientHeader::XForwardedFor, "10.0.0.1", &lines, "192.0.2.1");
    }

    #[test]
    fn what_is_no_address_hides_what_stands_before_it() {
        x("10.0.0.1", "192.0.2.1, unknown", "10.0.0.1");
        x("10.0.0.1", "192.0.2.1, unknown, 10.0.0.2", "10.0.0.2");
        x("10.0.0.1", "", "10.0.0.1");
        x("10.0.0.1", "192.0.2.1,,10.0.0.2", "10.0.0.2");
        x("10.0.0.1", "192.0.2.1, \u{e9}", "10.0.0.1");
    }

    #[test]
    fn forwarded_is_read_when_it_is_chosen() {
        forwarded("for=192.0.2.1;proto=https", "192.0.2.1");
        forwarded("for=198.51.100.7, For=\"[2001:db8:2::1]:80\";by=10.0.0.1", "2001:db8:2::1");
        forwarded("for=192.0.2.1, for=_hidden", "10.0.0.1");
        forwarded("proto=https", "10.0.0.1");
        let both = [("forwarded", "for=192.0.2.1"), ("x-forwarded-for", "198.51.100.7")];
        check(ClientHeader::Forwarded, "10.0.0.1", &both, "192.0.2.1");
        check(ClientHeader::XForwardedFor, "10.0.0.1", &both, "198.51.100.7");
    }
}
