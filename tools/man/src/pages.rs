//! A page for the command, and one for each subcommand.

use std::io;

use clap::Command;
use clap_mangen::Man;

use crate::roff::escaped;

/// What is shown on the pages of these commands, and what it does.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "realpeer-decode",
        &[
            (
                "What a log of nginx shows as first bytes:",
                r"realpeer decode 'PROXY TCP4 192.0.2.1 198.51.100.7 080 443\x0D\x0A'",
            ),
            ("The beginning of a captured connection:", "realpeer decode --file connection.bin"),
            (
                "One field, for a script:",
                "realpeer decode --json --file connection.bin | jq -r .source",
            ),
        ],
    ),
    (
        "realpeer-encode",
        &[
            (
                "A header with two TLVs and a checksum:",
                "realpeer encode -s 192.0.2.1:56324 -d 198.51.100.7:443 \\\n    -t alpn=h2 -t authority=www.example.com --crc32c",
            ),
            (
                "A health check as AWS sends it:",
                "realpeer encode --local --crc32c --pad-to-multiple 100 --output raw",
            ),
        ],
    ),
    (
        "realpeer-send",
        &[
            (
                "A request that seems to come from 192.0.2.1:",
                "printf 'GET / HTTP/1.0\\r\\n\\r\\n' |\n    realpeer send -s 192.0.2.1:56324 -d 198.51.100.7:80 127.0.0.1:8080",
            ),
            (
                "See whether a mail server answers behind the header:",
                "realpeer send --v1 --timeout 5 127.0.0.1:25",
            ),
        ],
    ),
    (
        "realpeer-check-policy",
        &[(
            "Try rules before they are in a configuration:",
            "realpeer check policy --rules 'require 10.0.1.0/24; direct all' 10.0.1.7 192.0.2.1",
        )],
    ),
    (
        "realpeer-check-nginx",
        &[
            (
                "What a balancer at 10.0.1.7 is to do on each listener:",
                "realpeer check nginx /etc/nginx/nginx.conf 10.0.1.7",
            ),
            (
                "The same for the nginx of a container:",
                "docker exec web nginx -T | realpeer check nginx - 10.0.1.7",
            ),
        ],
    ),
];

/// File names and pages.
pub(crate) fn all(command: &Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut command = command.clone().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    add(&command, "realpeer", &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    let mut page = Vec::new();
    let source = format!("realpeer {}", command.get_version().unwrap_or_default());
    let man = Man::new(command.clone().display_name(name.to_owned()))
        .title(name)
        .source(source)
        .manual("realpeer");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let exit_status = command.get_after_long_help().or(command.get_after_help());
    if let Some(text) = exit_status {
        let text = text.to_string();
        section("EXIT STATUS", &mut page);
        page.extend(escaped(text.trim_start_matches("Exit status: ")).bytes());
        page.push(b'\n');
    }
    examples(name, &mut page);
    see_also(command, name, &mut page);
    pages.push((format!("{name}.1"), page));
    for inner in command.get_subcommands() {
        add(inner, &format!("{name}-{}", inner.get_name()), pages)?;
    }
    Ok(())
}

fn section(title: &str, page: &mut Vec<u8>) {
    page.extend(format!(".SH \"{title}\"\n").bytes());
}

fn examples(name: &str, page: &mut Vec<u8>) {
    let Some((_, examples)) = EXAMPLES.iter().find(|(of, _)| *of == name) else { return };
    section("EXAMPLES", page);
    for (what, command) in *examples {
        let (what, command) = (escaped(what), escaped(command));
        page.extend(format!(".PP\n{what}\n.PP\n.RS 4\n.nf\n{command}\n.fi\n.RE\n").bytes());
    }
}

fn see_also(command: &Command, name: &str, page: &mut Vec<u8>) {
    let inner = command.get_subcommands().map(|inner| format!("{name}-{}", inner.get_name()));
    let outer = name.rsplit_once('-').map(|(outer, _)| outer.to_owned());
    let pages: Vec<_> = outer.into_iter().chain(inner).collect();
    if pages.is_empty() {
        return;
    }
    section("SEE ALSO", page);
    let pages: Vec<_> = pages.iter().map(|page| format!("\\fB{}\\fR(1)", escaped(page))).collect();
    page.extend(format!("{}\n", pages.join(",\n")).bytes());
}
