# SPDX-License-Identifier: Apache-2.0
# All commands of the project: `make` builds, `make demo` shows findings, `make test` runs all tests. Missing packages are
# installed by name from Debian and PyPI; kernels for the guests and Python's packages are in a cache outside the tree.

SHELL := /bin/bash
# LINK takes further linker options, such as "-Xlinker -L/path/to/lib" for another libelf.a. What each of the others saves
# is in docs/architecture.md.
CONFIGURATION := -c release --static-swift-stdlib -Xswiftc -static-executable -Xlinker -s \
	-Xswiftc -Xfrontend -Xswiftc -function-sections -Xswiftc -use-ld=lld \
	-Xlinker -T -Xlinker $(CURDIR)/Toolchain/without-unwinding.ld $(LINK)
# On the search paths before the toolchain's module of that name; see Toolchain/essentials.
ESSENTIALS := $(CURDIR)/.build/essentials
NATIVE := $(CONFIGURATION) -Xswiftc -I$(ESSENTIALS) -Xlinker -L$(ESSENTIALS)
BINARY := .build/release/futexscope
ARM64_BUILD := .build/arm64
ARM64_BINARY := $(ARM64_BUILD)/release/futexscope
# The one of `make test`.
ARM64_KERNELS = newest-arm64
VM := Tests/KernelTests/vm
CACHE := $(or $(FUTEXSCOPE_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/futexscope)
PYTHON := $(CACHE)/python
FLEET := $(CACHE)/fleet

BUILD_PACKAGES := libbpf-dev libelf-dev zlib1g-dev libzstd-dev liblzma-dev libc6-dev
ARM64_PACKAGES := python3 xz-utils qemu-user
READER_PACKAGES := babeltrace2 curl trace-cmd python3-venv
BENCH_PACKAGES := gcc libc6-dev time valgrind
GUEST_PACKAGES := qemu-system-x86 qemu-system-arm busybox-static cpio zstd e2fsprogs xfsprogs kmod gcc make mmdebstrap genext2fs
LINT_PACKAGES := clang-format shellcheck
DEB_PACKAGES := debhelper dpkg-dev fakeroot lintian
install = @missing=""; for package in $(1); do \
	dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; done; \
	if [ -n "$$missing" ]; then echo "installing:$$missing"; \
	as_root=""; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	$$as_root apt-get update -q && DEBIAN_FRONTEND=noninteractive $$as_root apt-get install -yq --no-install-recommends $$missing; fi

BENCH_KERNEL := 6.12
BENCH_BINARY = $(if $(filter %-arm64,$(BENCH_KERNEL)),$(ARM64_BINARY),$(BINARY))
BENCH_OBJECT = $(if $(filter %-arm64,$(BENCH_KERNEL)),arm64,x86)
BENCH_PARTS := futex ftrace pages start storm
BENCH_CPUS := 1 4 8
BENCH_POSSIBLE := 2 64 512

.PHONY: all arm64 arm64-or-not deb deb-arm64 build-packages guest-packages demo test test-long unit-test kernels readers \
	fleet-programs fleet-test answer reliability bench bench-guest bench-cpus bench-host bench-fleet fuzz lint clean help

all: build-packages $(ESSENTIALS)/libReleaseEssentials.a  ## the release binary: .build/release/futexscope
	swift build $(NATIVE) --product futexscope
	@! grep -qa _StringProcessing $(BINARY) || { echo "a call into the module of regular expressions adds 1.2 MB to the \
	binary; Sources/Events/TextSearch.swift has what the program needs instead" >&2; exit 1; }

$(ESSENTIALS)/libReleaseEssentials.a: $(wildcard Toolchain/FoundationEssentials/*) Toolchain/essentials \
		$(shell readlink -f "$$(command -v swiftc)")
	Toolchain/essentials $(ESSENTIALS)

arm64: all  ## the release binary for arm64, cross-built and compared with the native one: .build/arm64/release/futexscope
	$(call install,$(ARM64_PACKAGES))
	@sdk=$$(Toolchain/arm64-sdk) || exit; swift build --scratch-path $(ARM64_BUILD) --swift-sdks-path "$$sdk" \
		--swift-sdk futexscope-arm64 $(CONFIGURATION) --product futexscope
	Toolchain/compare $(BINARY) $(ARM64_BINARY)

deb: all  ## the Debian package, with manual pages, completions and services: .build/deb/futexscope_VERSION_ARCH.deb
	$(call install,$(DEB_PACKAGES))
	swift build --product generate-manual
	@packaging/build-package $(BINARY) .build/debug/generate-manual .build/deb

deb-arm64: arm64  ## the same for arm64: .build/deb-arm64/futexscope_VERSION_arm64.deb
	$(call install,$(DEB_PACKAGES))
	swift build --product generate-manual
	@packaging/build-package $(ARM64_BINARY) .build/debug/generate-manual .build/deb-arm64 \
		"$$(Toolchain/arm64-sdk)/built-using"

help:  ## lists the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build-packages:
	$(call install,$(BUILD_PACKAGES))

guest-packages: build-packages
	$(call install,$(GUEST_PACKAGES))

readers: build-packages  ## independent readers: babeltrace2, trace-cmd; those of Python, DuckDB and Perfetto into the cache
	$(call install,$(READER_PACKAGES))
	@Tests/ExportTests/readers/install "$(PYTHON)"

fleet-programs:  ## Debian's Prometheus, VictoriaMetrics and rsyslog, into the cache; nothing is installed or started
	@Tests/Fleet/programs "$(FLEET)"

kernels: guest-packages  ## Debian's kernels for the guests, and a Debian for them, into the cache
	@$(VM)/kernels fetch $$($(VM)/kernels list | grep -v arm64) || echo "some kernels are skipped: see above" >&2
	@for kernel in 6.1 6.12; do $(VM)/kernels headers $$kernel >/dev/null || echo "kernel $$kernel has no headers: see above" >&2; done
	@$(VM)/image debian >/dev/null

demo: all  ## provoke causes and trace them, live or in a virtual machine
	@if $(BINARY) doctor >/dev/null 2>&1; then \
		echo "this host permits BPF tracing: tracing live"; PATH="$$PWD/.build/release:$$PATH" bash Tests/KernelTests/scenarios/demo.sh; \
	else \
		echo "this host does not permit BPF tracing (futexscope doctor says why): tracing in a virtual machine"; \
		$(MAKE) -s guest-packages && $(VM)/kernels fetch 6.12 && $(VM)/boot -k 6.12 -b $(BINARY) -s Tests/KernelTests/scenarios/demo.sh; \
	fi

unit-test: readers fleet-programs  ## tests that need no kernel
	FUTEXSCOPE_PYTHON="$(PYTHON)/bin/python" FUTEXSCOPE_FLEET="$(FLEET)" swift test --parallel

# Where the packages cannot be had there is no binary: its guests are skipped, and the tests say so.
arm64-or-not: all guest-packages
	$(call install,$(ARM64_PACKAGES))
	@$(VM)/kernels fetch $(ARM64_KERNELS) || echo "some kernels are skipped: see above" >&2
	@if Toolchain/arm64-sdk >/dev/null; then $(MAKE) -s arm64; else \
		status=$$?; rm -f $(ARM64_BINARY); \
		[ $$status = 77 ] || echo "SKIPPED arm64: Toolchain/arm64-sdk ended with $$status" >&2; \
	fi

test-long: export FUTEXSCOPE_LONG = 1
test-long: ARM64_KERNELS = $$($(VM)/kernels list | grep arm64)
test-long: test  ## the same for longer, and with all guests of arm64

test: deb arm64-or-not kernels readers fleet-programs  ## unit tests, then the matrix of kernels in virtual machines
	FUTEXSCOPE_GUESTS=1 FUTEXSCOPE_PYTHON="$(PYTHON)/bin/python" FUTEXSCOPE_FLEET="$(FLEET)" swift test

fleet-test: all kernels fleet-programs  ## Prometheus and VictoriaMetrics read a service in a guest; a part of `make test`
	FUTEXSCOPE_GUESTS=1 FUTEXSCOPE_FLEET="$(FLEET)" swift test --filter KernelTests.FleetTests

answer: all kernels  ## runs the matrix and writes the table of results into README.md
	FUTEXSCOPE_GUESTS=1 FUTEXSCOPE_RECORD=1 swift test --filter KernelTests.AnswerTests

reliability: all kernels  ## runs all provocations at once on each kernel and writes the table into docs/reliability.md
	FUTEXSCOPE_GUESTS=1 FUTEXSCOPE_RECORD=1 swift test --filter KernelTests.StormTests

# After a measurement: shows the difference from the figures in the tree, or writes them with RECORD=1.
figures = @LC_ALL=C sort .build/$(1).txt -o .build/$(1).txt; \
	if [ "$(RECORD)" = 1 ]; then Benchmarks/document $(1) .build/$(1).txt; \
	else Benchmarks/compare Benchmarks/results/$(1).txt .build/$(1).txt; fi

bench: bench-guest bench-cpus bench-host bench-fleet  ## the figures of 6.12, the host and the fleet, compared with the tree (RECORD=1 writes them)

bench-guest: $(if $(filter %-arm64,$(BENCH_KERNEL)),arm64,all) guest-packages  ## cost in the kernel, in instruction-counted time (BENCH_KERNEL=6.12, or newest-arm64)
	$(VM)/kernels fetch $(BENCH_KERNEL)
	Benchmarks/guest/measure $(BENCH_KERNEL) $(BENCH_BINARY) \
		"$$(find .build/plugins/outputs -path '*/BPFObject/*' -name futexscope.$(BENCH_OBJECT).bpf.o | head -n 1)" \
		"$(BENCH_PARTS)" > .build/guest-$(BENCH_KERNEL).txt
	$(call figures,guest-$(BENCH_KERNEL))

bench-cpus: all guest-packages  ## cost at rest on more CPUs, and a storm on two, in the machine's own time
	$(VM)/kernels fetch 6.1 6.12
	object="$$(find .build/plugins/outputs -path '*/BPFObject/*' -name futexscope.x86.bpf.o | head -n 1)"; \
	{ for cpus in $(BENCH_CPUS); do BENCH_CPUS=$$cpus Benchmarks/guest/measure 6.12 $(BINARY) "$$object" rest || exit; done; \
	for cpus in $(BENCH_POSSIBLE); do BENCH_POSSIBLE=$$cpus Benchmarks/guest/measure 6.1 $(BINARY) "$$object" rest || exit; done; \
	BENCH_CPUS=2 Benchmarks/guest/measure 6.12 $(BINARY) "$$object" storm; } > .build/cpus-6.12.txt
	$(call figures,cpus-6.12)

bench-host: all guest-packages  ## reading, correlating and writing, compared with other programs on this machine
	$(call install,$(READER_PACKAGES) $(BENCH_PACKAGES))
	$(VM)/kernels fetch 6.12
	swift build $(NATIVE) --product synthesize
	swift build $(NATIVE) --product replay
	Benchmarks/host/measure .build/release > .build/host.txt
	$(call figures,host)

bench-fleet: readers fleet-programs  ## storage for a day of scrapes in Prometheus and in VictoriaMetrics
	Benchmarks/fleet/measure "$(FLEET)" Tests/PresentationTests/Golden/metrics-sentinel.txt > .build/fleet.txt
	$(call figures,fleet)

fuzz: build-packages  ## hostile bytes into each reader, FUZZ_SECONDS (default 60) each; needs the toolchain's libFuzzer
	@cd Tests/Fuzz && place=$$(mktemp -d -p "$$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)") && trap 'rm -rf "$$place"' EXIT && \
	for reader in recording ftrace data; do \
		case $$reader in data) bytes=98304 seeds=../FtraceTests/Samples ;; *) bytes=8192 seeds=Corpus/$$reader ;; esac; \
		swift build --sanitize=fuzzer --scratch-path .build-fuzz --product fuzz-$$reader || exit; \
		mkdir -p .build-fuzz/found/$$reader; \
		TMPDIR=$$place .build-fuzz/debug/fuzz-$$reader -max_total_time=$${FUZZ_SECONDS:-60} -max_len=$$bytes -timeout=20 -rss_limit_mb=1024 \
			-print_final_stats=1 -artifact_prefix=.build-fuzz/ .build-fuzz/found/$$reader $$seeds || exit; \
	done

lint:  ## licence lines, the format of Swift and C, shell scripts: all checks without a build
	$(call install,$(LINT_PACKAGES))
	@.ci/lint

clean:  ## removes all builds; the cache of kernels stays
	rm -rf .build
