//! Loading the modules: what each needs, in which order, and what nginx says
//! where that is wrong.

use realpeer_e2e::{Client, Front, Kind, Site, Subsystem, Trio, Which, on_each_nginx, v1};

const VISITOR: &str = "192.0.2.7:4321";
const LISTENER: &str = "198.51.100.1:443";
const REQUIRE: &str = "realpeer require all;";

on_each_nginx! {
    /// Ours can be loaded in any order, each one behind the module it needs.
    fn modules_can_be_loaded_in_any_order(which) {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut site = Site::new(which);
            let native = Subsystem::ALL.into_iter().filter_map(|own| which.native_module(own));
            let ours = order.map(|number| which.module(Subsystem::ALL[number]));
            site.load_modules(native.chain(ours));
            let trio = Trio::new(&mut site);
            trio.write(&mut site, "", REQUIRE);
            let _nginx = site.start();
            trio.must_serve();
        }
    }

    fn a_module_without_its_block_does_no_harm(which) {
        let mut site = Site::new(which);
        let native = Subsystem::ALL.into_iter().filter_map(|own| which.native_module(own));
        let ours = Subsystem::ALL.map(|own| which.module(own));
        site.load_modules(native.chain(ours));
        let front = Front::new(Kind::Http);
        let port = front.add_port(&mut site, REQUIRE);
        let _nginx = site.start();
        assert_eq!(front.visit(port, &v1(VISITOR, LISTENER)).client, "192.0.2.7");
    }

    /// The module for http knows the directive, and that it is not for here.
    fn each_block_needs_its_own_module(which) {
        for subsystem in [Subsystem::Stream, Subsystem::Mail] {
            let mut site = Site::new(which);
            let native = Subsystem::ALL.into_iter().filter_map(|own| which.native_module(own));
            site.load_modules(native.chain([which.module(Subsystem::Http)]));
            site.block(subsystem, "realpeer require all;");
            assert_eq!(
                site.check().messages,
                [r#"[emerg] "realpeer" directive is not allowed here in nginx.conf:2"#]
            );
        }
    }

    /// Debian's stream and mail are modules themselves, and ours need them. A
    /// user who loads ours first, or ours alone, is told by the dynamic loader
    /// which symbol is missing; its name begins with that of the module that
    /// has to come before.
    fn a_wrong_order_of_modules_names_what_is_missing(which) {
        for subsystem in [Subsystem::Stream, Subsystem::Mail] {
            let Some(native) = which.native_module(subsystem) else { continue };
            let ours = which.module(subsystem);
            for order in [vec![ours.clone(), native], vec![ours.clone()]] {
                let mut site = Site::new(which);
                site.load_modules(order);
                let check = site.check();
                assert!(!check.passed);
                let [message] = &check.messages[..] else { panic!("{:#?}", check.messages) };
                let begins = format!("[emerg] dlopen() \"{}\" failed (", ours.display());
                assert!(message.starts_with(&begins), "{message}");
                let symbol = format!("undefined symbol: ngx_{}_", subsystem.name());
                assert!(message.contains(&symbol), "{message}");
                assert!(message.ends_with(" in nginx.conf:1"), "{message}");
            }
        }
    }

    /// A module is for one version of nginx.
    fn a_module_for_another_nginx_is_refused(which) {
        let (other, versions) = match which {
            Which::Debian => (Which::Built, "version 1028003 instead of 1022001"),
            Which::Built => (Which::Debian, "version 1022001 instead of 1028003"),
        };
        for subsystem in Subsystem::ALL {
            let mut site = Site::new(which);
            let native = which.native_module(subsystem);
            site.load_modules(native.into_iter().chain([other.module(subsystem)]));
            let check = site.check();
            let module = other.module(subsystem);
            let wanted = format!("[emerg] module \"{}\" {versions} in nginx.conf:1", module.display());
            assert_eq!(check.messages, [wanted]);
        }
    }

    fn a_module_is_loaded_once(which) {
        for subsystem in Subsystem::ALL {
            let mut site = Site::new(which);
            let ours = which.module(subsystem);
            let native = which.native_module(subsystem);
            site.load_modules(native.into_iter().chain([ours.clone(), ours]));
            let name = format!("ngx_{}_realpeer_module", subsystem.name());
            assert_eq!(
                site.check().messages,
                [format!(r#"[emerg] module "{name}" is already loaded in nginx.conf:1"#)]
            );
        }
    }

    /// Modules that run scripts by timers make up a connection for them.
    fn variables_on_a_connection_without_a_pool_are_empty(which) {
        let mut site = Site::new(which);
        let native = Subsystem::ALL.into_iter().filter_map(|own| which.native_module(own));
        let ours = Subsystem::ALL.map(|own| which.module(own));
        let others = ["http_poolless", "stream_poolless"]
            .map(|name| which.other_module(name, site.dir()));
        site.load_modules(native.chain(ours).chain(others));
        let (http, stream) = (site.port(), site.port());
        let page = "\"poolless=$other_poolless\nresult=$realpeer_result\n\";";
        site.http(format!(
            "server {{ listen 127.0.0.1:{http}; realpeer require all;
                       location / {{ return 200 {page} }} }}"
        ));
        site.stream(format!(
            "server {{ listen 127.0.0.1:{stream}; realpeer require all; return {page} }}"
        ));
        let nginx = site.start();
        let workers = nginx.workers();
        let header = v1(VISITOR, LISTENER);
        let answers = [
            Client::connect(http).send(&header).get("/").vars(),
            Client::connect(stream).send(&header).ending().vars(),
        ];
        for answer in answers {
            assert_eq!(answer.var("poolless"), "[][][]");
            assert_eq!(answer.var("result"), "proxy");
        }
        assert_eq!(nginx.workers(), workers);
    }
}
