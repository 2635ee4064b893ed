//! Pages by which Apache tells what it knows of the connection: server side
//! includes, which have the variables that CGI scripts are given.

/// What the page at `/` says, by the names that nginx's pages have as well.
const VARIABLES: [(&str, &str); 13] = [
    ("scheme", "REQUEST_SCHEME"),
    ("protocol", "SERVER_PROTOCOL"),
    ("remote_addr", "REMOTE_ADDR"),
    ("remote_port", "REMOTE_PORT"),
    ("result", "REALPEER_RESULT"),
    ("policy", "REALPEER_POLICY"),
    ("version", "REALPEER_VERSION"),
    ("addr", "REALPEER_ADDR"),
    ("port", "REALPEER_PORT"),
    ("server_addr", "REALPEER_SERVER_ADDR"),
    ("server_port", "REALPEER_SERVER_PORT"),
    ("proxy_addr", "REALPEER_PROXY_ADDR"),
    ("proxy_port", "REALPEER_PROXY_PORT"),
];

/// A page with lines `NAME=VALUE` for each name and the variable that has the
/// value.
pub(crate) fn page<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    variables.into_iter().map(|(name, variable)| format!("{name}={}\n", echo(variable))).collect()
}

/// The page at `/`.
pub(crate) fn usual_page() -> String {
    page(VARIABLES)
}

/// Nothing where there is no such variable, as nginx has it.
fn echo(variable: &str) -> String {
    format!(
        "<!--#if expr=\"-n v('{variable}')\" -->\
         <!--#echo encoding=\"none\" var=\"{variable}\" --><!--#endif -->"
    )
}

/// A CGI script that tells its environment.
pub(crate) const SCRIPT: &str = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nexec env\n";
