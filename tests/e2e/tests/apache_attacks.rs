//! What broke other receivers, where Apache has to be set up for it: see
//! attacks.rs for all else.

use realpeer_e2e::{ApacheSite, Client, V2, on_each_mpm, ssl_value, v1};

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
    /// SetEnvIf looks for a field of the request before it looks for a variable.
    fn attack_39_a_field_with_the_name_of_a_variable(mpm) {
        let mut site = ApacheSite::new(mpm);
        site.cgi();
        let port = site.host(
            "RealPeer require all\nSetEnvIf REALPEER_RESULT ^local$ IS_LOCAL=yes\n\
             SetEnvIf REALPEER_TLV_SSL_CN ^admin$ IS_ADMIN=yes",
        );
        let _apache = site.start();
        let ask = |header: &[u8]| {
            let mut client = Client::connect(port);
            client.send(header).send(
                "GET /cgi/env HTTP/1.1\r\nHost: a\r\nREALPEER_RESULT: local\r\nX: y\r\n\
                 realpeer_result: local\r\nREALPEER_TLV_SSL_CN: admin\r\n\
                 RealPeer_TLV_SSL_CN: admin\r\n\r\n",
            );
            client.response().text()
        };
        let text = ask(&v1("192.0.2.7:4321", "198.51.100.1:443"));
        assert!(!text.contains("IS_LOCAL") && !text.contains("IS_ADMIN"), "{text}");
        assert!(text.contains("\nHTTP_X=y\n"), "{text}");
        // And yet the two do what they are there for.
        assert!(ask(&V2::local().build()).contains("IS_LOCAL=yes"));
        let admin = V2::proxy("192.0.2.7:4321", "198.51.100.1:443")
            .tlv(0x20, ssl_value(7, 0, &[(0x22, b"admin")]));
        assert!(ask(&admin.build()).contains("IS_ADMIN=yes"));
    }
}
