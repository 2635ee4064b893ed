# realpeer: what can be built, shown and checked. `make help` lists it.
#
# This only says what belongs together. What needs building is decided by
# those who know: cargo for the library, nginx's own makefile for the modules.
# Everything goes to build/ and target/.

SHELL = /bin/sh

# `make nginx NGINX_SRC=dir` builds for that source tree instead of the
# installed server.
NGINX_SRC =

VERSION := $(shell sed -n 's/^version *= *"\(.*\)"/\1/p' Cargo.toml | head -n 1)

# The first number is that of the ABI, the rest is the version of the crate
# without its own first one.
SONAME    = librealpeer.so.0
LIBRARY   = librealpeer.so.0.$(shell echo $(VERSION) | cut -d. -f2-)
LIB       = build/lib
RELEASE   = $(or $(CARGO_TARGET_DIR),target)/$(addsuffix /,$(CARGO_BUILD_TARGET))release

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
	@MAKEFLAGS= $(CARGO) rustc --quiet --locked --release --lib \
		--no-default-features --features capi \
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

# tools/install, told all that it wants to know.
installing = @LIB='$(LIB)' LIBRARY='$(LIBRARY)' SONAME='$(SONAME)' \
	DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' LIBDIR='$(LIBDIR)' \
	INCLUDEDIR='$(INCLUDEDIR)' PKGCONFIGDIR='$(PKGCONFIGDIR)' \
	CMAKEDIR='$(CMAKEDIR)' tools/install

## install       the C library, its header, and files for pkg-config and CMake to
##               PREFIX=/usr/local; LIBDIR=, INCLUDEDIR= and DESTDIR= count too
.PHONY: install
install: $(BUILT)
	$(installing) install

## uninstall     takes them away again; say the same folders
.PHONY: uninstall
uninstall:
	$(installing) uninstall

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

## soak          CONNECTIONS=20000 of every kind through each module: alone, with
##               sanitizers and under valgrind; SEED=1 for the same ones again
CONNECTIONS = 20000
SEED = 1
.PHONY: soak
soak: setup-check
	+@CARGO="$(CARGO)" tools/soak "$(CONNECTIONS)" "$(CONNECTIONS)" "$(SEED)"

## fuzz          libFuzzer, SECONDS=60 for each target; grows a corpus in build/fuzz
SECONDS = 60
.PHONY: fuzz
fuzz: setup-fuzz
	@CARGO="$(CARGO)" tools/fuzz run "$(SECONDS)"

## check-fresh   demo and check in an empty Debian 12 (as root)
.PHONY: check-fresh
check-fresh:
	@tools/setup fresh
	@tools/fresh-chroot

## clean         removes build/ and target/
.PHONY: clean
clean:
	rm -rf build target

## help          this list
.PHONY: help
help:
	@sed -n 's/^## //p' $(firstword $(MAKEFILE_LIST))

# Says nothing and takes no time when nothing is missing.
.PHONY: setup-build setup-build-nginx setup-build-nginx-src \
	setup-build-nginx-demo setup-check setup-fuzz
setup-build:
	@tools/setup build
setup-build-nginx:
	@tools/setup build nginx
setup-build-nginx-src:
	@tools/setup build nginx-src
setup-build-nginx-demo:
	@tools/setup build nginx demo
setup-check:
	@tools/setup build nginx nginx-src demo check
setup-fuzz:
	@tools/setup build fuzz
