# realpeer: what can be built, shown and checked. `make help` lists it.
#
# This only says what belongs together. What needs building is decided by
# those who know: cargo for the library, nginx's own makefile for the modules.
# Everything goes to build/ and target/.

SHELL = /bin/sh

# `make nginx NGINX_SRC=dir` builds for that source tree instead of the
# installed server.
NGINX_SRC =

# `make apache APXS=/path/to/apxs` builds for the Apache that this belongs to,
# instead of Debian's.
APXS =

VERSION := $(shell sed -n 's/^version *= *"\(.*\)"/\1/p' Cargo.toml | head -n 1)

# The first number is that of the ABI, the rest is the version of the crate
# without its own first one.
SONAME    = librealpeer.so.0
LIBRARY   = librealpeer.so.0.$(shell echo $(VERSION) | cut -d. -f2-)
LIB       = build/lib

# For the shell: where cargo is to build, whatever its configuration says, and
# what has been built there.
TARGET    = "$${CARGO_TARGET_DIR:-target}"
RELEASE   = $(TARGET)/"$${CARGO_BUILD_TARGET:+$$CARGO_BUILD_TARGET/}release"

CARGO     = cargo
CC       ?= cc
CXX      ?= c++
WARNINGS  = -Wall -Wextra -Wpedantic -Werror

# Where `make install` puts things. GNU's lower-case names will do as well.
prefix       = /usr/local
PREFIX       = $(prefix)
exec_prefix  = $(PREFIX)
libdir       = $(exec_prefix)/lib
LIBDIR       = $(libdir)
includedir   = $(PREFIX)/include
INCLUDEDIR   = $(includedir)
PKGCONFIGDIR = $(LIBDIR)/pkgconfig
CMAKEDIR     = $(LIBDIR)/cmake/realpeer
DESTDIR      =

.DEFAULT_GOAL = all

## all           the C library into build/lib/, and its header compiled (default)
.PHONY: all
all: lib header-compiles

## lib           librealpeer.a and librealpeer.so into build/lib/
.PHONY: lib
lib: setup-build
	@rm -f $(RELEASE)/librealpeer.a $(RELEASE)/librealpeer.so
	@MAKEFLAGS= $(CARGO) rustc --quiet --locked --release --lib \
		--target-dir $(TARGET) --no-default-features --features capi \
		--crate-type staticlib,cdylib
	@mkdir -p $(LIB)
	@tools/install-changed $(RELEASE)/librealpeer.a $(LIB)/librealpeer.a
	@tools/install-changed $(RELEASE)/librealpeer.so $(LIB)/$(LIBRARY)
	@ln -sfn $(LIBRARY) $(LIB)/$(SONAME)
	@ln -sfn $(SONAME) $(LIB)/librealpeer.so
	@touch $(BUILT)

# For `make install`, which builds nothing that has been built: root may have no
# Rust, and would leave files in target/ that their owner cannot replace.
BUILT   = $(LIB)/built
SOURCES = Cargo.toml Cargo.lock build.rs $(shell find src -name '*.rs')

$(BUILT): $(SOURCES)
	@if [ "$$(id -u)" -eq 0 ] && [ ! -O Cargo.toml ]; then \
		echo "make: call make as the owner of this folder first" >&2; \
		exit 1; \
	fi
	@$(MAKE) --no-print-directory lib

# What tools/install wants to know goes through the environment: the shell does
# not get to see it, whatever is in it.
install uninstall: private export LIB := $(LIB)
install uninstall: private export LIBRARY := $(LIBRARY)
install uninstall: private export SONAME := $(SONAME)
install uninstall: private export DESTDIR := $(DESTDIR)
install uninstall: private export PREFIX := $(PREFIX)
install uninstall: private export LIBDIR := $(LIBDIR)
install uninstall: private export INCLUDEDIR := $(INCLUDEDIR)
install uninstall: private export PKGCONFIGDIR := $(PKGCONFIGDIR)
install uninstall: private export CMAKEDIR := $(CMAKEDIR)

## install       the C library, its header, and files for pkg-config and CMake to
##               PREFIX=/usr/local; LIBDIR=, INCLUDEDIR= and DESTDIR= count too
.PHONY: install
install: $(BUILT)
	@tools/install install

## uninstall     takes them away again; say the same folders
.PHONY: uninstall
uninstall:
	@tools/install uninstall

# As C99 and as C++11, with all warnings, and with nothing included before it.
.PHONY: header-compiles
header-compiles: setup-build
	@$(CC) -std=c99 $(WARNINGS) -fsyntax-only -x c include/realpeer.h
	@if command -v $(CXX) >/dev/null; then \
		$(CXX) -std=c++11 $(WARNINGS) -fsyntax-only -x c++ \
			include/realpeer.h; \
	fi

## header        writes include/realpeer.h anew from src/ffi/
.PHONY: header
header: setup-build
	@$(CARGO) run --quiet --locked -p realpeer-header

## header-check  says where include/realpeer.h differs from src/ffi/
.PHONY: header-check
header-check: setup-build header-compiles
	@$(CARGO) run --quiet --locked -p realpeer-header -- --check

## cli           the command realpeer, into build/bin/
.PHONY: cli
cli: setup-build
	@rm -f $(RELEASE)/realpeer
	@MAKEFLAGS= $(CARGO) build --quiet --locked --release -p realpeer-cli \
		--target-dir $(TARGET)
	@mkdir -p build/bin
	@tools/install-changed $(RELEASE)/realpeer build/bin/realpeer

## man           writes man/ and completions/ anew from the command, the C header
##               and the documents of the modules
.PHONY: man
man: setup-build
	@$(CARGO) run --quiet --locked -p realpeer-man

## man-check     says which of them are not what they are made from
.PHONY: man-check
man-check: setup-build
	@$(CARGO) run --quiet --locked -p realpeer-man -- --check

## nginx         the modules for Debian's nginx, or for NGINX_SRC=dir, into
##               build/nginx-VERSION/
.PHONY: nginx
ifeq ($(NGINX_SRC),)
nginx: setup-build-nginx
	+@tools/build-nginx debian
else
nginx: setup-build-nginx-src
	+@tools/build-nginx source "$(NGINX_SRC)"
endif

## nginx-src     a complete nginx and its modules, from the crate nginx-src
.PHONY: nginx-src
nginx-src: setup-build-nginx-src
	+@tools/build-nginx crate

## apache        mod_realpeer.so for Debian's Apache, or for APXS=/path/to/apxs,
##               into build/apache/
.PHONY: apache
apache: lib $(if $(APXS),,setup-build-apache)
	@APXS="$(APXS)" tools/build-apache module

## deb           Debian packages of all this, into build/deb/
.PHONY: deb
deb: setup-build-deb
	@MAKEFLAGS= CARGO="$(CARGO)" tools/build-deb

## matrix        builds and tries the modules with nginx in all its variants
.PHONY: matrix
matrix: setup-check nginx
	@tools/build-matrix

## demo          HAProxy in front of nginx, and the page a visitor gets;
##               KEEP=1 leaves it running
.PHONY: demo
demo: setup-build-nginx-demo
	+@tools/build-nginx debian
	@KEEP="$(KEEP)" demo/run

## check         everything there is to check, against real servers
.PHONY: check
check:
	+@CARGO="$(CARGO)" tools/check

## conformance   writes docs/conformance.md: each clause, its tests, and what came
##               of them on the library, on nginx and on Apache
.PHONY: conformance
conformance: setup-check nginx nginx-src apache
	+@MAKEFLAGS= $(CARGO) test --quiet --locked --workspace \
		--features realpeer/ffi --tests --no-run
	@MAKEFLAGS= CARGO="$(CARGO)" $(CARGO) run --quiet --locked -p realpeer-e2e \
		--bin conform -- --write

## soak          CONNECTIONS=20000 of every kind through each module: alone, with
##               sanitizers and under valgrind; SEED=1 for the same ones again;
##               SERVERS="nginx event worker prefork", the latter three Apache's;
##               with MINUTES=10 load and faults instead, WAITING=50000 at once
CONNECTIONS = 20000
SEED = 1
SERVERS =
MINUTES =
WAITING = 50000
.PHONY: soak
soak: setup-check lib
ifeq ($(MINUTES),)
	+@CARGO="$(CARGO)" SERVERS="$(SERVERS)" tools/soak "$(CONNECTIONS)" "$(CONNECTIONS)" "$(SEED)"
else
	+@CARGO="$(CARGO)" SERVERS="$(SERVERS)" tools/load "$(MINUTES)" "$(WAITING)"
endif

## fuzz          libFuzzer, SECONDS=60 for each target; grows a corpus in build/fuzz
SECONDS = 60
.PHONY: fuzz
fuzz: setup-fuzz
	@CARGO="$(CARGO)" tools/fuzz run "$(SECONDS)"

## bench         realpeer beside others, as tables: a few minutes, or FULL=1 with
##               all the rounds that docs/performance.md has
FULL =
.PHONY: bench
bench: setup-check lib nginx nginx-src apache
	+@CARGO="$(CARGO)" tools/bench $(if $(FULL),full)

## check-fresh   demo and check in an empty Debian 12 (as root)
.PHONY: check-fresh
check-fresh:
	@tools/setup fresh
	@tools/fresh-chroot

## check-deb     the packages: lintian, and installed, used and purged in an empty
##               Debian 12 (as root)
.PHONY: check-deb
check-deb: deb
	@tools/setup fresh lintian
	@tools/check-deb

## check-msrv    the library with the oldest Rust that is promised, which is
##               Debian 13's (as root)
.PHONY: check-msrv
check-msrv:
	@tools/setup fresh
	@CARGO="$(CARGO)" tools/msrv

## clean         removes build/ and target/
.PHONY: clean
clean:
	rm -rf build target

## help          this list
.PHONY: help
help:
	@sed -n 's/^## //p' $(firstword $(MAKEFILE_LIST))

# Says nothing and takes no time when nothing is missing. SETUP=: leaves that to
# somebody else.
SETUP = tools/setup
.PHONY: setup-build setup-build-apache setup-build-deb setup-build-nginx \
	setup-build-nginx-src setup-build-nginx-demo setup-check setup-fuzz
setup-build:
	@$(SETUP) build
setup-build-apache:
	@$(SETUP) build apache
setup-build-deb:
	@$(SETUP) build nginx apache deb
setup-build-nginx:
	@$(SETUP) build nginx
setup-build-nginx-src:
	@$(SETUP) build nginx-src
setup-build-nginx-demo:
	@$(SETUP) build nginx demo
setup-check:
	@$(SETUP) build nginx nginx-src apache demo check
setup-fuzz:
	@$(SETUP) build fuzz
