# The commands people type. CMakePresets.json holds the builds themselves.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := release
.PHONY: release demo test test-dev test-arm64 bench fuzz format format-check tidy install dist setup clean

JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
IMAGE ?= small
# amd64, or arm64: a cross build with Debian's compiler.
ARCH ?= amd64
PRESET = release$(ARCH:%=-%)
PRESET := $(PRESET:-amd64=)
FUZZ_SECONDS ?= 900
export FLENSE_COMPILER_LAUNCHER ?= $(shell command -v ccache 2>/dev/null)
SOURCES = $(shell git ls-files '*.cpp' '*.h')

setup:
	scripts/setup.sh

release:
	scripts/setup.sh build $(filter arm64,$(ARCH))
	cmake --preset $(PRESET) -DFLENSE_COMMIT=$(COMMIT) >/dev/null
	cmake --build build/$(PRESET) -j$(JOBS) --target flense
	@ls -l build/$(PRESET)/flense

demo: release
	scripts/setup.sh demo
	scripts/demo.sh $(IMAGE)

test:
	scripts/test.sh

# The unit tests without sanitizers: what one repeats while working.
test-dev:
	scripts/test.sh dev

# What of `make test` can run for 64-bit ARM on this machine: the unit tests, every command's outputs, the artefacts.
test-arm64: release
	scripts/setup.sh build test dist arm64
	tests/e2e/test_arm64_large.py -v

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
	install -D -m 0755 build/$(PRESET)/flense $(DESTDIR)$(PREFIX)/bin/flense

# What a release consists of: the same bytes for the same commit.
# --version --json names the commit unless something is changed.
dist:
	commit=$$(git diff --quiet HEAD -- && git rev-parse HEAD || true); \
	for arch in amd64 arm64; do $(MAKE) release ARCH=$$arch COMMIT=$$commit; done
	scripts/setup.sh dist
	rm -rf dist
	scripts/dist/make_dist.py build/release/flense,build/release-arm64/flense dist

clean:
	rm -rf build dist
