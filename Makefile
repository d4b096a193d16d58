# The commands people type. CMakePresets.json holds the builds themselves.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := release
.PHONY: release demo test test-dev bench fuzz format format-check tidy install dist setup clean

JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
IMAGE ?= small
FUZZ_SECONDS ?= 900
export FLENSE_COMPILER_LAUNCHER ?= $(shell command -v ccache 2>/dev/null)
SOURCES = $(shell git ls-files '*.cpp' '*.h')

setup:
	scripts/setup.sh

release:
	scripts/setup.sh build
	cmake --preset release -DFLENSE_COMMIT=$(COMMIT) >/dev/null
	cmake --build build/release -j$(JOBS) --target flense
	@ls -l build/release/flense

demo: release
	scripts/setup.sh demo
	scripts/demo.sh $(IMAGE)

test:
	scripts/test.sh

# The unit tests without sanitizers: what one repeats while working.
test-dev:
	scripts/test.sh dev

bench: release
	scripts/setup.sh bench demo
	bench/bench.sh

fuzz:
	scripts/setup.sh build test
	scripts/fuzz.sh $(FUZZ_SECONDS)

format:
	clang-format-19 -i $(SOURCES)

format-check:
	@clang-format-19 --dry-run --Werror $(SOURCES)

tidy:
	scripts/setup.sh build test
	cmake --preset tidy >/dev/null
	cmake --build build/tidy -j$(JOBS)
	run-clang-tidy-19 -quiet -p build/tidy -j$(JOBS) '/src/.*\.cpp$$'

install: release
	install -D -m 0755 build/release/flense $(DESTDIR)$(PREFIX)/bin/flense

# What a release consists of: the same bytes for the same commit.
# --version --json names the commit unless something is changed.
dist:
	$(MAKE) release COMMIT=$$(git diff --quiet HEAD -- && git rev-parse HEAD)
	scripts/setup.sh dist
	rm -rf dist
	scripts/dist/make_dist.py build/release/flense dist

clean:
	rm -rf build dist
