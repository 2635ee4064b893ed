//! Compiles the contenders that are written in C.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    ours(&root);
    bare();
    nginx(&root);
    for file in ["answer.h", "bare.c", "count.c", "nginx.c", "ours.c"] {
        println!("cargo::rerun-if-changed=c/{file}");
    }
}

/// realpeer's C library, as it is shipped, in a shared object of its own: so it is
/// linked into nginx's module, and so it cannot be mixed with the crate.
fn ours(root: &Path) {
    let library = root.join("build/lib/librealpeer.a");
    assert!(library.exists(), "no build/lib/librealpeer.a: run `make lib` first");
    println!("cargo::rerun-if-changed={}", library.display());
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let status = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()))
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-Wl,--exclude-libs,ALL"])
        .args(["-Wl,-soname,libbench_ours.so", "-o"])
        .arg(folder.join("libbench_ours.so"))
        .arg("-I")
        .arg(root.join("include"))
        .arg("c/ours.c")
        .arg(library)
        .status();
    assert!(status.expect("a C compiler").success(), "c/ours.c does not compile");
    println!("cargo::rustc-link-search=native={}", folder.display());
    println!("cargo::rustc-link-lib=dylib=bench_ours");
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", folder.display());
}

/// Without what cargo's own debug information would bring along.
fn compiler(level: u32) -> cc::Build {
    let mut build = cc::Build::new();
    build.opt_level(level).debug(false).force_frame_pointer(false);
    build
}

fn bare() {
    let mut build = compiler(3);
    build.warnings_into_errors(true).extra_warnings(true);
    build.file("c/bare.c").compile("bench_bare");
    compiler(2).file("c/count.c").compile("bench_count");
}

/// nginx's own parser from the sources in build/src, with the flags that Debian's
/// package has.
fn nginx(root: &Path) {
    let tree = source(&root.join("build/src"));
    println!("cargo::rerun-if-changed={}", tree.join("src/core").display());
    println!("cargo::rustc-env=BENCH_NGINX={}", version(&tree));
    let mut build = compiler(2);
    build.warnings(false).flag("-fstack-protector-strong");
    build.define("_FORTIFY_SOURCE", "2").include("c").include(tree.join("objs"));
    for folder in ["core", "event", "event/modules", "event/quic", "os/unix"] {
        build.include(tree.join("src").join(folder));
    }
    for file in [
        "core/ngx_inet.c",
        "core/ngx_palloc.c",
        "core/ngx_proxy_protocol.c",
        "core/ngx_string.c",
        "os/unix/ngx_alloc.c",
    ] {
        build.file(tree.join("src").join(file));
    }
    build.file("c/nginx.c").compile("bench_nginx");
}

/// The nginx that `make nginx-src` has configured.
fn source(folder: &Path) -> PathBuf {
    let trees = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    trees
        .filter(|tree| tree.join("objs/ngx_auto_config.h").exists())
        .filter(|tree| tree.join("src/core/ngx_proxy_protocol.c").exists())
        .filter(|tree| {
            // Not those that are built otherwise, such as nginx-1.28.3-asan.
            let name = tree.file_name().unwrap_or_default().to_string_lossy();
            name.strip_prefix("nginx-").is_some_and(|version| !version.contains('-'))
        })
        .max()
        .expect("no nginx in build/src: run `make nginx-src` first")
}

fn version(tree: &Path) -> String {
    let header = fs::read_to_string(tree.join("src/core/nginx.h")).expect("nginx.h");
    let line = header.lines().find(|line| line.starts_with("#define NGINX_VERSION"));
    line.and_then(|line| line.split('"').nth(1)).expect("its version").to_owned()
}
