//! nginx as it is, without the module: what the other tests are a change
//! from, and proof that the harness can tell the difference.

use realpeer_e2e::{Authority, Client, NATIVE_PAGE, Site, TlsClient, on_each_nginx, v1};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";

on_each_nginx! {
    fn an_early_400_is_logged_with_the_balancer(which) {
        let mut site = Site::native(which);
        let port = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{port} proxy_protocol; {NATIVE_PAGE} }}"
        ));
        let nginx = site.start();

        let mut client = Client::connect(port);
        client.send(v1(VISITOR, LISTENER)).send("GARBAGE\r\n\r\n");
        assert_eq!(client.response().status, 400);
        let line = nginx.wait_for_error("client sent invalid");
        assert!(line.contains("client: 127.0.0.1"), "{line}");
    }

    fn a_header_in_two_pieces_is_dropped(which) {
        let mut site = Site::native(which);
        let port = site.port();
        site.http(format!(
            "server {{ listen 127.0.0.1:{port} proxy_protocol; {NATIVE_PAGE} }}"
        ));
        let mut nginx = site.start();

        let header = v1(VISITOR, LISTENER);
        let mut client = Client::connect(port);
        client.send(&header[..10]).wait_until_taken();
        client.send(&header[10..]);
        client.must_be_closed();
        nginx.wait_for_error("broken header: \"PROXY TCP4");

        let answer = Client::connect(port).send(&header).get("/");
        assert_eq!(answer.var("proxy_protocol_addr"), "192.0.2.7");
        assert_eq!(answer.var("remote_addr"), "127.0.0.1");
        nginx.wait_for_access("200 \"GET / HTTP/1.1\"");
        assert_eq!(nginx.refusals(), []);
        nginx.quit();
    }

    fn tls_works_without_the_module(which) {
        let authority = Authority::new();
        let mut site = Site::native(which);
        let port = site.port();
        let certificate = site.certificate(&authority);
        site.http(format!(
            "server {{ listen 127.0.0.1:{port} ssl; {certificate} {NATIVE_PAGE} }}"
        ));
        let _nginx = site.start();

        let mut tls = TlsClient::over(Client::from("127.0.0.2", port), &authority);
        assert_eq!(tls.get("/").var("remote_addr"), "127.0.0.2");
        assert_eq!(tls.get("/").var("scheme"), "https");
    }
}
