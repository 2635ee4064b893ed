//! An Apache with something in it that uses addresses.

use crate::apache::Apache;
use crate::apache_site::ApacheSite;
use crate::consumers::nginx_place::connect;
use crate::consumers::whose::{BALANCER, CLIENT};
use crate::http::Response;
use crate::mpm::Mpm;

/// One running, with a virtual host on `port`.
pub(super) struct Place {
    pub apache: Apache,
    pub port: u16,
}

impl Place {
    /// With these modules, `inside` in the virtual host.
    #[track_caller]
    pub fn new(modules: &[&'static str], inside: &str) -> Self {
        Self::of(ApacheSite::new(Mpm::Event), modules, inside)
    }

    #[track_caller]
    pub fn of(mut site: ApacheSite, modules: &[&'static str], inside: &str) -> Self {
        modules.iter().for_each(|name| site.load(name));
        let port = site.host(&format!("RealPeer require all\n{inside}"));
        Self { apache: site.start(), port }
    }

    /// Asks as the client, through the balancer.
    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.get_by(CLIENT, BALANCER, path)
    }

    #[track_caller]
    pub fn get_by(&self, client: &str, balancer: &str, path: &str) -> Response {
        connect(client, balancer, self.port).get(path)
    }
}
