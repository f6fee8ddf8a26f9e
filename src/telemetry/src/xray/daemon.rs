//! The X-Ray daemon: one datagram a document.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};

use super::SegmentSink;

/// What precedes every document (X-Ray developer guide, "Sending segment documents").
const HEADER: &[u8] = b"{\"format\": \"json\", \"version\": 1}\n";

/// Sends documents to an X-Ray daemon and never waits for it: what the socket does not take at
/// once is dropped and counted.
#[derive(Debug)]
pub struct XrayDaemon {
    socket: UdpSocket,
    dropped: AtomicU64,
}

impl XrayDaemon {
    /// The daemon's usual address; `AWS_XRAY_DAEMON_ADDRESS` names another.
    pub const ADDRESS: &str = "127.0.0.1:2000";

    /// Opens a socket; whether a daemon listens there nobody can know.
    pub fn connect(address: SocketAddr) -> io::Result<XrayDaemon> {
        let any: SocketAddr = if address.is_ipv4() {
            ([0, 0, 0, 0], 0).into()
        } else {
            ([0u16; 8], 0).into()
        };
        let socket = UdpSocket::bind(any)?;
        socket.connect(address)?;
        socket.set_nonblocking(true)?;
        Ok(XrayDaemon {
            socket,
            dropped: AtomicU64::new(0),
        })
    }

    /// Reads the value of `AWS_XRAY_DAEMON_ADDRESS`: `host:port`, or `udp:host:port` among others.
    pub fn address(variable: &str) -> Option<SocketAddr> {
        variable
            .split_ascii_whitespace()
            .find_map(|part| part.strip_prefix("udp:"))
            .unwrap_or(variable)
            .parse()
            .ok()
    }

    /// Documents that could not be sent.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl SegmentSink for XrayDaemon {
    fn segment(&self, document: &[u8]) {
        thread_local! {
            static DATAGRAM: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
        }
        DATAGRAM.with_borrow_mut(|datagram| {
            datagram.clear();
            datagram.extend_from_slice(HEADER);
            datagram.extend_from_slice(document);
            if self.socket.send(datagram).is_err() {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemons_address_reads_as_the_sdks_read_it() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(
                XrayDaemon::address(text),
                expect.map(|e| e.parse().unwrap()),
                "{text}"
            );
        };
        check("169.254.79.129:2000", Some("169.254.79.129:2000"));
        check(
            "tcp:127.0.0.1:2000 udp:127.0.0.2:2001",
            Some("127.0.0.2:2001"),
        );
        check("udp:[::1]:2000", Some("[::1]:2000"));
        check("nowhere", None);
    }

    #[test]
    fn a_document_is_one_datagram_behind_the_header() {
        let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = XrayDaemon::connect(daemon.local_addr().unwrap()).unwrap();
        sender.segment(b"{\"name\":\"a\"}");
        let mut datagram = [0; 100];
        let length = daemon.recv(&mut datagram).unwrap();
        assert_eq!(
            &datagram[..length],
            b"{\"format\": \"json\", \"version\": 1}\n{\"name\":\"a\"}"
        );
        sender.segment(&vec![b' '; 70_000]);
        assert_eq!(sender.dropped(), 1, "what no datagram holds is counted");
    }
}
