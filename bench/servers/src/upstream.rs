//! Who answers behind nginx's stream.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use socket2::{Domain, Socket, Type};

use crate::load::BYTES_BACK;

/// Answers whoever says something, and closes. Returns its port; runs as long as
/// this process.
pub(crate) fn start() -> u16 {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).expect("a free port");
    socket.listen(4096).expect("a bound socket");
    let address = socket.local_addr().expect("a bound socket");
    thread::spawn(move || {
        loop {
            if let Ok((stream, _)) = socket.accept() {
                answer(stream.into());
            }
        }
    });
    address.as_socket().expect("TCP").port()
}

fn answer(mut stream: TcpStream) {
    let mut room = [0; 256];
    // One that goes away has nothing to be told.
    if stream.read(&mut room).is_ok_and(|n| n > 0) {
        let _ = stream.write_all(BYTES_BACK);
    }
}
