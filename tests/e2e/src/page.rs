//! Locations that answer with what nginx knows about the connection.

/// `location /` that answers with realpeer's and nginx's variables, one
/// `name=value` a line, for [`Response::var`](crate::Response::var).
pub const PAGE: &str = concat!(
    "location / { default_type text/plain; return 200 \"",
    "pid=$pid\n",
    "scheme=$scheme\n",
    "protocol=$server_protocol\n",
    "remote_addr=$remote_addr\n",
    "remote_port=$remote_port\n",
    "result=$realpeer_result\n",
    "policy=$realpeer_policy\n",
    "version=$realpeer_version\n",
    "addr=$realpeer_addr\n",
    "port=$realpeer_port\n",
    "server_addr=$realpeer_server_addr\n",
    "server_port=$realpeer_server_port\n",
    "proxy_addr=$realpeer_proxy_addr\n",
    "proxy_port=$realpeer_proxy_port\n",
    "\"; }"
);

/// What a stream server answers, and closes: the same, where there is one.
pub const STREAM_PAGE: &str = concat!(
    "return \"",
    "pid=$pid\n",
    "protocol=$protocol\n",
    "remote_addr=$remote_addr\n",
    "remote_port=$remote_port\n",
    "result=$realpeer_result\n",
    "policy=$realpeer_policy\n",
    "version=$realpeer_version\n",
    "addr=$realpeer_addr\n",
    "port=$realpeer_port\n",
    "server_addr=$realpeer_server_addr\n",
    "server_port=$realpeer_server_port\n",
    "proxy_addr=$realpeer_proxy_addr\n",
    "proxy_port=$realpeer_proxy_port\n",
    "\";"
);

/// PAGE with nginx's own variables only, for servers without the module.
pub const NATIVE_PAGE: &str = concat!(
    "location / { default_type text/plain; return 200 \"",
    "pid=$pid\n",
    "scheme=$scheme\n",
    "protocol=$server_protocol\n",
    "remote_addr=$remote_addr\n",
    "remote_port=$remote_port\n",
    "proxy_protocol_addr=$proxy_protocol_addr\n",
    "proxy_protocol_port=$proxy_protocol_port\n",
    "\"; }"
);

/// `location PATH` that answers with the given nginx variables.
pub fn location(path: &str, variables: &[&str]) -> String {
    let lines: String = variables.iter().map(|name| format!("{name}=${name}\n")).collect();
    format!("location {path} {{ default_type text/plain; return 200 \"{lines}\"; }}\n")
}

/// `return` of a stream server that answers with the given nginx variables.
pub fn stream_return(variables: &[&str]) -> String {
    let lines: String = variables.iter().map(|name| format!("{name}=${name}\n")).collect();
    format!("return \"{lines}\";")
}

/// What such a page says, one `name=value` a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vars {
    text: String,
}

impl Vars {
    pub fn new(bytes: &[u8]) -> Self {
        Self { text: String::from_utf8_lossy(bytes).into_owned() }
    }

    #[track_caller]
    pub fn var(&self, name: &str) -> String {
        self.find(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.text))
    }

    /// None where the page does not say.
    pub(crate) fn find(&self, name: &str) -> Option<String> {
        let pairs = self.text.lines().filter_map(|line| line.split_once('='));
        pairs.into_iter().find(|(have, _)| *have == name).map(|(_, value)| value.to_owned())
    }
}
