//! What Apache does without realpeer, where that is why realpeer is made as it
//! is: mod_remoteip gives the client's address to requests, and nothing else.

use realpeer_e2e::{ApacheSite, Client, Mpm, h2_requests, on_each_mpm, v1};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";

on_each_mpm! {
    fn mod_remoteip_leaves_the_connection_to_the_balancer(mpm) {
        let mut site = ApacheSite::native(mpm);
        site.load("remoteip");
        site.cgi();
        let port = site.host("RemoteIPProxyProtocol On");
        let apache = site.start();
        let mut client = Client::connect(port);
        let balancer = client.local();
        let answer = client.send(v1(VISITOR, LISTENER)).get("/");
        assert_eq!(answer.var("remote_addr"), "192.0.2.7");
        assert_eq!(client.get("/cgi/env").status, 200);
        let line = apache.wait_for_access("\"GET / HTTP/1.1\"");
        // %a is the client, %{c}a the balancer.
        assert!(line.starts_with("192.0.2.7:4321 "), "{line}");
        assert!(line.ends_with(&format!(" {}", balancer.ip())), "{line}");
    }

    fn mod_http2_wants_its_preface_in_one_piece(mpm) {
        let mut site = ApacheSite::native(mpm);
        if mpm == Mpm::Prefork {
            return;
        }
        site.load("http2");
        let port = site.host("Protocols h2c http/1.1");
        let apache = site.start();
        let whole = h2_requests(&[1]);
        let mut client = Client::connect(port);
        client.send(&whole[..7]).wait_until_taken();
        client.send(&whole[7..]).ending();
        apache.wait_for_access(" 400 \"PRI * HTTP/2.0\"");
    }

    fn mod_remoteip_logs_one_address_and_lets_in_another(mpm) {
        let mut site = ApacheSite::native(mpm);
        site.load("remoteip");
        let port = site.host(
            "RemoteIPProxyProtocol On\n<Location />\nRequire ip 192.0.2.1\n</Location>",
        );
        let apache = site.start();
        let visit = |address: &str| {
            let header = format!("PROXY TCP4 {address} 198.51.100.1 4321 443\r\n");
            Client::connect(port).send(header).get("/").status
        };
        assert_eq!(visit("0300.0.2.1"), 200);
        assert_eq!(visit("192.0.2.7"), 403);
        apache.wait_for_access("0300.0.2.1:");
    }
}
