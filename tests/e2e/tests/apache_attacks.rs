//! What broke other receivers, where Apache has to be set up for it: see
//! attacks.rs for all else.

use realpeer_e2e::{ApacheSite, Client, on_each_mpm, v1};

on_each_mpm! {
    /// Who comes by IPv4 to a socket of IPv6 has an address of IPv6, for which
    /// the rules of IPv4 are.
    fn attack_36_ipv4_on_a_dual_stack_socket(mpm) {
        let mut site = ApacheSite::new(mpm);
        let port = site.port();
        site.config(format!(
            "Listen [::]:{port}\n<VirtualHost *:{port}>\nRealPeer require 127.0.0.1\n\
             RealPeer direct ::1\nRealPeer refuse all\n</VirtualHost>"
        ));
        let apache = site.start();
        let header = v1("192.0.2.7:4321", "198.51.100.1:443");
        let answer = Client::connect(port).send(&header).get("/");
        assert_eq!(answer.var("remote_addr"), "192.0.2.7");
        assert_eq!(answer.var("proxy_addr"), "127.0.0.1");
        assert_eq!(Client::from("::1", port).get("/").var("result"), "direct");
        Client::from("127.0.0.2", port).send(&header).must_be_closed();
        assert_eq!(apache.refusal().result, "untrusted");
    }
}
