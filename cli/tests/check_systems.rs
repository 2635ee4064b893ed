//! `realpeer check nginx` with configurations as distributions, images and other
//! servers of the family have them.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use common::{Answer, answer, call, call_with, command};
use tempfile::TempDir;

/// An unpacked file system.
struct System {
    folder: TempDir,
    config: &'static str,
}

/// The links that these systems have, all of them absolute.
const LINKS: &[(&str, &str, &str)] = &[
    ("debian", "etc/nginx/sites-enabled/default", "/etc/nginx/sites-available/default"),
    (
        "debian",
        "etc/nginx/sites-enabled/www.example.com",
        "/etc/nginx/sites-available/www.example.com",
    ),
    (
        "debian",
        "etc/nginx/modules-enabled/50-mod-stream.conf",
        "/usr/share/nginx/modules-available/mod-stream.conf",
    ),
    (
        "debian",
        "etc/nginx/modules-enabled/60-mod-http-realpeer.conf",
        "/usr/share/nginx/modules-available/mod-http-realpeer.conf",
    ),
    ("ubuntu", "etc/nginx/sites-enabled/app", "/etc/nginx/sites-available/app"),
    ("ubuntu", "etc/nginx/sites-enabled/other", "/etc/nginx/sites-available/other"),
];

const CONFIGS: &[(&str, &str)] = &[
    ("debian", "/etc/nginx/nginx.conf"),
    ("ubuntu", "/etc/nginx/nginx.conf"),
    ("docker", "/etc/nginx/nginx.conf"),
    ("ingress", "/etc/nginx/nginx.conf"),
    ("angie", "/etc/angie/angie.conf"),
    ("openresty", "/usr/local/openresty/nginx/conf/nginx.conf"),
];

/// Files with these in their paths are there to be linked to or copied.
const UNUSED: &[&str] = &["-available/", "/templates/"];

impl System {
    fn new(name: &str) -> System {
        let folder = tempfile::tempdir().unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/systems").join(name);
        copy(&from, folder.path());
        for (_, link, target) in LINKS.iter().filter(|(system, ..)| *system == name) {
            let link = folder.path().join(link);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(target, link).unwrap();
        }
        // Empty, which git does not keep.
        for empty in ["etc/nginx/modules-enabled", "usr/local/openresty/nginx/conf/servers"] {
            fs::create_dir_all(folder.path().join(empty)).unwrap();
        }
        let (_, config) = CONFIGS.iter().find(|(system, _)| *system == name).unwrap();
        System { folder, config }
    }

    fn root(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    fn check(&self, args: &[&str]) -> Answer {
        call(&[&["check", "nginx", "--root", self.root(), self.config], args].concat())
    }

    /// All files that are included, as `nginx -T` prints them.
    fn output(&self) -> String {
        let mut files = Vec::new();
        collect(self.folder.path(), &mut files);
        let is_used =
            |path: &PathBuf| !UNUSED.iter().any(|name| path.to_str().unwrap().contains(name));
        files.retain(is_used);
        let mut text = String::new();
        let name =
            |path: &Path| format!("/{}", path.strip_prefix(self.folder.path()).unwrap().display());
        // The main configuration is the first one.
        files.sort_by_key(|path| (name(path) != self.config, path.clone()));
        for path in files {
            let real = match fs::read_link(&path) {
                Ok(target) => self.folder.path().join(target.strip_prefix("/").unwrap()),
                Err(_) => path.clone(),
            };
            let content = fs::read_to_string(real).unwrap();
            text.push_str(&format!("# configuration file {}:\n{content}\n", name(&path)));
        }
        text
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() && !path.is_symlink() {
            true => collect(&path, files),
            false => files.push(path),
        }
    }
}

/// What is said of 10.0.1.7 at each listener: its line, after the one of the listener.
fn said(answer: &Answer) -> Vec<String> {
    let mut said = Vec::new();
    for line in answer.out.lines() {
        if !line.starts_with(' ') {
            said.push(line.split(',').next().unwrap().to_owned());
        } else if line.starts_with("  10.0.1.7 ")
            || line.contains("no rules:")
            || line.contains("not covered")
        {
            let words: Vec<_> = line.split_whitespace().take(2).collect();
            said.last_mut().unwrap().push_str(&format!(" => {}", words.join(" ")));
        }
    }
    said
}

#[test]
fn each_system_is_read_below_its_root() {
    for (name, code, wanted) in [
        (
            "debian",
            0,
            &[
                "http 0.0.0.0:80 => 10.0.1.7 require",
                "http [::]:80 => 10.0.1.7 -",
                "http 0.0.0.0:443 => 10.0.1.7 require",
                "http [::]:443 => 10.0.1.7 -",
            ][..],
        ),
        (
            "ubuntu",
            3,
            &[
                "http 0.0.0.0:80 => no rules:",
                "http [::]:80 => no rules:",
                "http 0.0.0.0:443 => 10.0.1.7 native",
                "http [::]:443 => 10.0.1.7 -",
            ],
        ),
        ("docker", 0, &["http 0.0.0.0:80 => no rules:", "http [::]:80 => no rules:"]),
        (
            "ingress",
            3,
            &[
                "http 0.0.0.0:80 => 10.0.1.7 native",
                "http [::]:80 => 10.0.1.7 -",
                "http 0.0.0.0:443 => 10.0.1.7 native",
                "http [::]:443 => 10.0.1.7 -",
                "http 127.0.0.1:10246 => no rules:",
                "stream 127.0.0.1:10247 => no rules:",
                "stream 0.0.0.0:5432 => 10.0.1.7 native",
                "stream [::]:5432 => 10.0.1.7 -",
                "stream 0.0.0.0:53 => not covered:",
            ],
        ),
        (
            "angie",
            0,
            &[
                "http 0.0.0.0:80 => 10.0.1.7 require",
                "http 0.0.0.0:443 => 10.0.1.7 require",
                "http 0.0.0.0:443 => not covered:",
                "stream 0.0.0.0:8883-8884 => 10.0.1.7 optional",
            ],
        ),
        ("openresty", 0, &["http 0.0.0.0:80 => 10.0.1.7 require"]),
    ] {
        let system = System::new(name);
        let answer = system.check(&["10.0.1.7"]);
        assert_eq!(said(answer.is(code)), wanted, "{name}: {answer:?}");

        // The path as a shell completes it.
        let outside = format!("{}{}", system.root(), system.config);
        let same = call(&["check", "nginx", "-r", system.root(), &outside, "10.0.1.7"]);
        assert_eq!(same.is(code).out, answer.out, "{name}");

        let output = system.output();
        let same = call_with(&["check", "nginx", "-", "10.0.1.7"], output.as_bytes());
        assert_eq!(same.is(code).out, answer.out, "{name}");
        let file = system.folder.path().join("output.txt");
        fs::write(&file, &output).unwrap();
        let same = call(&["check", "nginx", "-c", file.to_str().unwrap(), "10.0.1.7"]);
        assert_eq!(same.is(code).out, answer.out, "{name}");
    }
}

/// `nginx -p ./ -T` names files by relative paths.
#[test]
fn the_output_of_a_relative_prefix_is_one_too() {
    for prefix in ["./", "../", "etc/", ""] {
        let output = format!(
            "# configuration file {prefix}nginx.conf:\n\
             http {{ include ./conf.d/*.conf; }}\n# configuration file of ours\n\n\
             # configuration file {prefix}./conf.d/a.conf:\n\
             server {{ listen 81; realpeer require 10.0.0.1; }}\n"
        );
        let answer = call_with(&["check", "nginx", "-"], output.as_bytes());
        answer.is(0).says("http 0.0.0.0:81").says("require 10.0.0.1");
        assert!(!answer.out.contains("warning"), "{prefix}: {answer:?}");
    }
}

/// A heading may be a comment in a configuration, where an output of `nginx -T` was kept as
/// one. What follows it is then taken for another file's, and that has to be said.
#[test]
fn says_what_no_include_of_the_output_names() {
    let output = "# configuration file /etc/nginx/nginx.conf:\n\
        http { include conf.d//*.conf; server { listen 80; realpeer require 10.0.0.1; } }\n\
        # configuration file /etc/nginx/streams.conf:\n\
        stream { server { listen 81; realpeer direct all; } }\n\
        # configuration file /etc/nginx/conf.d/a.conf:\n";
    let answer = call_with(&["check", "nginx", "-"], output.as_bytes());
    answer.is(0).says(
        "warning: nothing in this output of nginx -T includes /etc/nginx/streams.conf, and it is \
         left out: if that heading is a comment within another file, remove it there",
    );
    assert!(!answer.err.contains("a.conf"), "{answer:?}");
}

/// The main configuration alone: what is not there is named, all of it at once.
#[test]
fn names_what_is_missing_and_goes_on_when_told_to() {
    let system = System::new("docker");
    fs::remove_file(system.folder.path().join("etc/nginx/mime.types")).unwrap();
    system
        .check(&[])
        .is(2)
        .complains("/etc/nginx/nginx.conf:15: cannot include /etc/nginx/mime.types: No such file")
        .complains("--root DIR")
        .complains("--skip-missing");
    // Types have no rules.
    system
        .check(&["--skip-missing"])
        .is(0)
        .says("warning: /etc/nginx/nginx.conf:15: cannot include /etc/nginx/mime.types")
        .says("http 0.0.0.0:80, server \"localhost\" (/etc/nginx/conf.d/default.conf:1)");

    let conf = "http {\ninclude a.conf;\nserver { listen 81;\ninclude b.conf; }\n\
                server { listen 82; realpeer require all; }\n\
                server { listen 83 proxy_protocol; }\n\
                }\nstream { server { listen 84; } }\n";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.conf"), conf).unwrap();
    let check = |args: &[&str]| {
        let args = [&["check", "nginx", "x.conf"], args].concat();
        answer(command(&args).current_dir(folder.path()).output().unwrap())
    };
    let both = check(&[]);
    both.is(2).complains("x.conf:2: cannot include a.conf").complains("x.conf:4: cannot include b");
    let skipping = check(&["--skip-missing", "-l", ":81"]);
    let incomplete = "  incomplete: a file was left out in x.conf:2, with what it may say of this \
                      listener\n  incomplete: a file was left out in x.conf:4, ";
    skipping.is(4).says(incomplete).says("  no rules in the files that were read\n");
    assert!(!skipping.out.contains("own address"), "{skipping:?}");
    check(&["--skip-missing", "-l", ":82", "192.0.2.1"]).is(4).says("incomplete").says("require");
    // What is known to be worse is said first.
    check(&["--skip-missing", "-l", ":83", "192.0.2.1"]).is(3).says(incomplete);
    let stream = check(&["--skip-missing", "-l", ":84"]);
    assert!(!stream.is(4).out.contains("incomplete"), "{stream:?}");
    // Which listeners there are may be all in what was left out.
    fs::write(folder.path().join("x.conf"), "http {\ninclude a.conf;\n}\n").unwrap();
    check(&["--skip-missing"])
        .is(4)
        .says("x.conf:2")
        .says("no listener in the files that were read");
}

/// A pattern matches nothing without being a fault, which hides that the files are those
/// of another machine.
#[test]
fn warns_of_patterns_in_folders_that_are_not_there() {
    let says = |conf: &str| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x.conf"), conf).unwrap();
        fs::create_dir(folder.path().join("empty")).unwrap();
        answer(command(&["check", "nginx", "x.conf"]).current_dir(folder.path()).output().unwrap())
    };
    let server = "server { listen 81; } }";
    says(&format!("http {{\ninclude /nowhere/*/conf.d/*.conf; {server}"))
        .is(0)
        .says("warning: x.conf:2: nothing is included by /nowhere/*/conf.d/*.conf: there is no ")
        .says("folder /nowhere\n");
    says(&format!("http {{\ninclude sites/*; {server}")).is(0).says("there is no folder sites\n");
    for pattern in ["empty/*", "*.none", "./empty/*.conf"] {
        let answer = says(&format!("http {{\ninclude {pattern}; {server}"));
        assert!(!answer.is(0).out.contains("warning"), "{answer:?}");
    }
    let docker = System::new("docker");
    fs::remove_dir_all(docker.folder.path().join("etc/nginx/conf.d")).unwrap();
    docker
        .check(&[])
        .is(2)
        .complains("no such listener, and no other one")
        .complains("main configuration");
}

#[test]
fn the_output_of_nginx_is_all_there_is() {
    let output = "# configuration file /etc/nginx/nginx.conf:\nhttp {\ninclude conf.d/*;\n}\n\n\
                  # configuration file /etc/nginx/conf.d/b:\n\nserver { listen 81 proxy_protocol; }\n";
    call_with(&["check", "nginx", "-"], output.as_bytes())
        .is(3)
        .says("http 0.0.0.0:81, server \"\" (/etc/nginx/conf.d/b:2)")
        .says("proxy_protocol in /etc/nginx/conf.d/b:2");
    let output = "# configuration file /etc/nginx/nginx.conf:\nhttp {\ninclude /etc/passwd;\n}\n";
    call_with(&["check", "nginx", "-"], output.as_bytes())
        .is(2)
        .complains("/etc/nginx/nginx.conf:2: cannot include /etc/passwd: not in this output");
    call_with(&["check", "nginx", "-"], b"http { server { listen 81; } }")
        .is(0)
        .says("http 0.0.0.0:81, server \"\" (-:1)");
}

#[test]
fn the_configuration_is_found_by_its_prefix() {
    let system = System::new("openresty");
    let prefix = format!("{}/usr/local/openresty/nginx", system.root());
    let listed =
        |answer: Answer| answer.is(0).says("http 0.0.0.0:80, server \"localhost\"").out.len();
    listed(call(&["check", "nginx", "--prefix", &prefix]));
    listed(call(&["check", "nginx", "-p", &prefix, "conf/nginx.conf"]));
    listed(call(&["check", "nginx", "-r", system.root(), "-p", "/usr/local/openresty/nginx"]));
    call(&["check", "nginx", "-p", system.root()])
        .is(2)
        .complains("/conf/nginx.conf: No such file or directory")
        .complains("Name the main configuration");
}

#[test]
fn the_first_word_may_be_the_configuration() {
    let system = System::new("debian");
    let config = "/etc/nginx/nginx.conf";
    let check =
        |words: &[&str]| call(&[&["check", "nginx", "--root", system.root()], words].concat());
    // Where none is named, it is this one.
    let wanted = check(&["10.0.1.7"]).is(0).out.clone();
    for words in [
        &[config, "10.0.1.7"][..],
        &["10.0.1.7", config],
        &["-c", config, "10.0.1.7"],
        &["10.0.1.7", "--config", config],
    ] {
        assert_eq!(check(words).is(0).out, wanted, "{words:?}");
    }
    check(&[config, "-c", config]).is(2).complains("two configurations, ");
    check(&[config, "b.conf"]).is(2).complains("two configurations, ");
    check(&["localhost"]).is(2).complains("names are not looked up; nor a file");
    check(&["10.0.0.0/8"]).is(2).complains("a CIDR block is no source");
    check(&["/etc/nginx/sites-enabled/default"])
        .is(2)
        .complains("/etc/nginx/sites-enabled/default:5: \"server\" stands outside of http")
        .complains("name the main configuration");
    check(&["/nowhere.conf"]).is(2).complains("/nowhere.conf: No such file");
    let docker = System::new("docker");
    let template = "/etc/nginx/templates/default.conf.template";
    call(&["check", "nginx", "-r", docker.root(), template]).is(2).complains("stands outside");
}
