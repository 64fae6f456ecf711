# SPDX-License-Identifier: Apache-2.0
# stair: build, test and run. `make help` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif
SAN ?=
# CLUSTER=no builds for a single node alone, without server/cluster and its library.
CLUSTER ?= yes
variant := $(if $(SAN),$(SAN),release)$(if $(filter no,$(CLUSTER)),-single)
B ?= build/$(variant)

VERSION := 0.2.0
COMMIT  := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
PREFIX  ?= /usr/local
# Not any python3 in the path: the one that Debian's packages belong to.
PYTHON  ?= /usr/bin/python3

# ---- Packages, by what needs them. `make deps` installs all that building and testing needs.

packages.build := gcc g++ make libc6-dev libmicrohttpd-dev libgnutls28-dev libjansson-dev \
                  liblmdb-dev libfaiss-dev libopenblas-dev liblapacke-dev libsystemd-dev
# xxHash: the checksum of every stored record. Header and library, no dependency of its own, 64 bits
# at the speed of memory; writing our own gains nothing.
packages.build += libxxhash-dev
# utf8proc: folding and decomposition of Unicode text for the words of items. Small, maintained by the
# Julia project; ICU does the same with thirty times the data.
packages.build += libutf8proc-dev
# zlib: import reads files that gzip has packed. It is in every Debian already (dpkg needs it).
packages.build += zlib1g-dev
# libcurl: calls of an encoder of texts, over HTTP and TLS, several at once. Its multi interface is what
# we would otherwise write ourselves. The GnuTLS flavour, since GnuTLS is linked already.
packages.build += libcurl4-gnutls-dev
# NATS's client: the log that several nodes share. Debian packages it; the protocol with its TLS,
# credentials and JetStream is what we would otherwise write ourselves. `make CLUSTER=no` needs none.
packages.build += $(if $(filter no,$(CLUSTER)),,libnats-dev)
packages.demo  := curl
# prometheus, prometheus-alertmanager: alerts go their whole way, from a scrape to a receiver.
packages.test  := libcmocka-dev python3 python3-yaml python3-jsonschema python3-numpy curl openssl \
                  prometheus prometheus-alertmanager chromium chromium-driver procps git tzdata
# iproute2: network namespaces, in which the cluster's tests part servers and nodes. haproxy: the balancer
# that those tests put in front. faketime: a node whose clock is wrong.
packages.test += iproute2 haproxy faketime
# codespell: spelling of the documents and of openapi.yaml.
# npm brings the linters of openapi.yaml and the schemas of Kubernetes; where it came from elsewhere, it is not installed again.
# groff-base: what lintian finds in the man pages.
# clang: a second compiler, whose warnings are not gcc's.
packages.lint  := $(if $(shell command -v npm),,npm) cppcheck groff-base clang clang-tidy libomp-dev clang-format python3 python3-yaml python3-jsonschema binutils systemd procps \
                  docker-compose prometheus codespell
packages.bench := wrk python3 python3-numpy python3-torch python3-faiss python3-fastapi uvicorn valgrind
packages.coverage := gcovr
packages.image := buildah debootstrap
packages.deb   := build-essential debhelper dpkg-dev fakeroot python3

# ---- How things are compiled.

warnings := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
# To clang, -Wconversion includes an enum's constant in double arithmetic, as in seconds * MILLISECONDS.
warnings += $(if $(findstring clang,$(shell $(CC) --version 2>/dev/null)),-Wno-enum-float-conversion)
# No -ffast-math: it deletes NaN checks. These three are what lets a sum be vectorised.
maths := -fassociative-math -fno-signed-zeros -fno-trapping-math
san_flags.address  := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1
san_flags.thread   := -fsanitize=thread -fno-omit-frame-pointer -O1
san_flags.coverage := --coverage -O0
san_flags.fuzz     := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1
san_flags := $(if $(SAN),$(or $(san_flags.$(SAN)),$(error unknown SAN=$(SAN): address or thread)),-O3)

# Stacks and buffers are checked; sanitizers have checks of their own.
hardening := $(if $(SAN),,-fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
$B/core/%.o $B/storage/%.o $B/api/%.o $B/server/%.o: override CFLAGS += $(hardening)
# What gcc knows of a text's length depends on the optimisation: that warning is for the release.
override CFLAGS += -std=gnu17 -g $(san_flags) $(maths) $(warnings) $(if $(SAN),-Wno-format-truncation) $(if $(WERROR),-Werror) -fopenmp
# core/search/faiss_c.cpp replaces operator new and delete together; gcc sees only one of them inlined.
override CXXFLAGS += -std=c++17 -g $(san_flags) -Wall -Wextra -Wno-mismatched-new-delete $(if $(WERROR),-Werror) -fopenmp
override CPPFLAGS += -I. -D_GNU_SOURCE -DSTAIR_VERSION='"$(VERSION)"' -MMD -MP
override CPPFLAGS += $(if $(filter no,$(CLUSTER)),,-DSTAIR_CLUSTER)
override LDFLAGS += $(if $(SAN),$(filter -fsanitize% --coverage,$(san_flags)),-pie -Wl,-z,relro,-z,now) -fopenmp
# The fuzzer is told which edges an input reaches; its own driver must not be.
ifeq ($(SAN),fuzz)
$B/core/%.o $B/storage/%.o $B/api/%.o $B/server/%.o: override CFLAGS += -fsanitize-coverage=trace-pc
endif

# Where libfaiss_c exists we link it; Debian ships the headers only, so core/search/faiss_c.cpp fills in.
faiss_c := $(shell printf 'int main(void){return 0;}' | $(CC) -x c - -o /dev/null -lfaiss_c 2>/dev/null && echo yes)
LDLIBS := $(if $(faiss_c),-lfaiss_c) -lfaiss -lmicrohttpd -lgnutls -ljansson -llmdb -lz -lxxhash -lutf8proc -lcurl $(if $(filter no,$(CLUSTER)),,-lnats) -lsystemd -llapacke -lopenblas -lstdc++ -lm -lpthread

# A folder of the architecture and the folders in it.
in_layers = $(wildcard $(foreach l,core storage api server,$(foreach p,$1,$l/$p $l/*/$p $l/*/*/$p)))
lib_c   := $(filter-out server/main.c $(if $(filter no,$(CLUSTER)),server/cluster/% server/commands/cmd_cluster.c),\
             $(call in_layers,*.c))
lib_cpp := $(if $(faiss_c),,$(call in_layers,*.cpp))
lib_s   := $(if $(wildcard openapi.yaml),$(wildcard api/web/*.S))
lib_o   := $(lib_c:%.c=$B/%.o) $(lib_cpp:%.cpp=$B/%.o) $(lib_s:%.S=$B/%.o)
unit    := $(patsubst %.c,$B/%,$(filter-out $(if $(filter no,$(CLUSTER)),tests/unit/test_violations.c),\
             $(wildcard tests/unit/test_*.c tests/api/test_*.c tests/golden/test_*.c)))
# The thread sanitizer is for what has threads.
threaded := $(patsubst %.c,$B/%,$(shell grep -lE 'pthread_create|run_in_threads' \
              $(wildcard tests/unit/test_*.c tests/api/test_*.c) /dev/null))
fuzzers := $(patsubst %.c,$B/%,$(wildcard tests/fuzz/fuzz_*.c))
benches := $(patsubst %.c,$B/%,$(wildcard tests/bench/bench_*.c))
support := $(patsubst %.c,$B/%.o,$(wildcard tests/support/*.c))
shared_bench := $(patsubst %.c,$B/%.o,$(filter-out tests/bench/bench_%,$(wildcard tests/bench/*.c)))
pick = $(if $(ONLY),$(foreach n,$(ONLY),$(filter %/test_$n %/bench_$n %/fuzz_$n %/test_$n.py %/bench_$n.py,$1)),$1)

Q := $(if $(V),,@)
# Test programs that run side by side.
JOBS ?= $(shell nproc)
run_tests := $(PYTHON) tests/support/run_tests.py

##@ Build and run

all: $B/stair ## build build/release/stair

$B/stair: $B/server/main.o $B/libstair.a
	@echo "  LINK $@"
	$Q$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# A node of the next version of writes, for the tests of two versions: the files that know the number are
# compiled anew, and two of them are changed as for a new version (tests/cluster/plant.py).
next_version := $(shell expr $$(sed -n 's/^.define STAIR_OP_VERSION //p' storage/log/op.h) + 1)
next_c := storage/log/apply_interactions.c \
  $(shell grep -lwE 'OP_VERSION|op_version' storage/log/*.c server/cluster/*.c server/runtime/*.c)
next_o := $(next_c:%.c=$B/next/%.o)
$B/stair-next: $B/server/main.o $(next_o) $B/libstair.a
	@echo "  LINK $@"
	$Q$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$B/next/%.o: %.c tests/cluster/plant.py $B/libstair.a Makefile
	@mkdir -p $(@D)
	@echo "  CC   $< (next version)"
	$Q$(PYTHON) tests/cluster/plant.py --next-of $< > $(@:.o=.c)
	$Q$(CC) $(CPPFLAGS) -DSTAIR_OP_VERSION=$(next_version) $(CFLAGS) -c $(@:.o=.c) -o $@

# What `make CLUSTER=no` makes, out of the same objects: the two files that know of the cluster are compiled
# without it, and it is linked without the library.
single_o := $(patsubst %,$B/single/server/commands/%.o,commands replication)
$B/stair-single: $B/server/main.o $(single_o) $B/libstair.a
	@echo "  LINK $@"
	$Q$(CC) $(LDFLAGS) -o $@ $^ $(filter-out -lnats,$(LDLIBS))

$B/single/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC   $< (single node)"
	$Q$(CC) $(filter-out -DSTAIR_CLUSTER,$(CPPFLAGS)) $(CFLAGS) -c $< -o $@

# A node for which the minutes after which superfluous copies go are seconds.
brisk_o := $(patsubst %,$B/brisk/server/cluster/%.o,housekeeping generation_share erasures strays)
$B/stair-brisk: $B/server/main.o $(brisk_o) $B/libstair.a
	@echo "  LINK $@"
	$Q$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$B/brisk/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC   $< (brisk)"
	$Q$(CC) $(CPPFLAGS) -DSTAIR_SETTLE_SECONDS=2 $(CFLAGS) -c $< -o $@

$B/libstair.a: $(lib_o)
	@echo "  AR   $@"
	$Qrm -f $@ && ar rcs $@ $^

$B/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC   $<"
	$Q$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$B/%.o: %.cpp Makefile
	@mkdir -p $(@D)
	@echo "  CXX  $<"
	$Q$(CXX) $(CPPFLAGS) $(CXXFLAGS) -c $< -o $@

# Files that the binary carries (.incbin), so it needs none beside it.
$B/api/web/assets.o: api/web/assets.S openapi.yaml api/web/console.html Makefile
	@mkdir -p $(@D)
	@echo "  AS   $<"
	$Q$(CC) -I. -c $< -o $@

# The commit that `stair --version` tells is compiled anew only when it changed.
$B/commit.txt: FORCE
	@mkdir -p $(@D)
	@echo '$(COMMIT)' | cmp -s - $@ || echo '$(COMMIT)' > $@
$B/server/telemetry/version.o: override CPPFLAGS += -DSTAIR_COMMIT='"$(COMMIT)"'
$B/server/telemetry/version.o: $B/commit.txt
FORCE:

# A rule for these files alone: of patterns make takes the one below, where a shared object is yet to
# be made.
$(benches): $B/%: $B/%.o $(shared_bench) $(support) $B/libstair.a
	@echo "  LINK $@"
	$Q$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

$B/tests/fuzz/%: $B/tests/fuzz/%.o $B/tests/fuzz/driver.o $B/libstair.a
	@echo "  LINK $@"
	$Q$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$B/tests/%: $B/tests/%.o $(support) $B/libstair.a
	@echo "  LINK $@"
	$Q$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

.PRECIOUS: $B/%.o

demo: ## from nothing to a recommendation: packages, build, shop, import, train, serve
	@tests/support/demo.sh --check-port
	@tests/support/deps.sh $(packages.build) $(packages.demo)
	@$(MAKE) --no-print-directory -j $(JOBS) all
	@tests/support/demo.sh $B/stair

deps: ## install all packages that building and testing need (Debian 12 or 13; root or sudo)
	@tests/support/deps.sh $(packages.build) $(packages.demo) $(packages.test) $(packages.lint)

deps-build: ## install only the packages that building needs
	@tests/support/deps.sh $(packages.build)

install: all install-files ## into DESTDIR and PREFIX: binary, man pages, completion, units, documents

install-files: $B/stair
	install -D -m 0755 $B/stair $(DESTDIR)$(PREFIX)/bin/stair
	@tests/support/deps.sh python3
	$(PYTHON) deploy/package/manpages.py $B/stair build/man
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 0644 build/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 0644 build/man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5
	install -D -m 0644 deploy/package/stair.bash-completion $(DESTDIR)$(PREFIX)/share/bash-completion/completions/stair
	install -d $(DESTDIR)$(PREFIX)/share/doc/stair/examples
	install -m 0644 README.md ARCHITECTURE.md CONTRIBUTING.md CHANGELOG.md SECURITY.md openapi.yaml $(DESTDIR)$(PREFIX)/share/doc/stair
	find docs -name '*.md' -o -name '*.csv' | while read -r f; do install -D -m 0644 $$f $(DESTDIR)$(PREFIX)/share/doc/stair/$$f; done
	find deploy -maxdepth 1 -type f ! -name '*.png' ! -name README.md -exec install -m 0644 -t $(DESTDIR)$(PREFIX)/share/doc/stair/examples {} +
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/doc/stair/deploy deploy/*.png

deb: ## build/stair_VERSION_ARCH.deb, for this machine's Debian
	@tests/support/deps.sh $(packages.build) $(packages.deb)
	@deploy/package/build_deb.sh $(VERSION) $(packages.build)

test-deb: deb ## lintian, then install, upgrade, remove and purge the package in a chroot
	@tests/support/deps.sh debootstrap lintian
	@tests/support/deb_test.sh build/stair_$(VERSION)_*.deb

release: ## build/stair-VERSION.tar.gz and its SHA-256
	@mkdir -p build
	@git archive --format=tar.gz --prefix=stair-$(VERSION)/ -o build/stair-$(VERSION).tar.gz HEAD
	@cd build && sha256sum stair-$(VERSION).tar.gz | tee stair-$(VERSION).tar.gz.sha256

docker: ## build the container image `stair`
	docker build -t stair:$(VERSION) -t stair:latest .

clean: ## remove build/
	rm -rf build

##@ Test

test: ## packages, build and every tier; the last line counts the tests (ONLY=name, SAN=address|thread)
	@tests/support/deps.sh $(packages.build) $(packages.demo) $(packages.test) $(packages.lint)
	@$(MAKE) --no-print-directory $(if $(ONLY),only,$(if $(SAN),unit-summary,check))

tiers := lint unit unit-address unit-thread e2e cluster cluster-thread quality fuzz-short

check: ## everything that CI runs, without installing packages
	@rm -rf build/results
	@for tier in $(tiers); do $(MAKE) --no-print-directory WERROR=1 tier-$$tier || true; done; \
	  $(PYTHON) tests/support/summary.py build/results $(tiers)

only:
	@rm -rf build/results
	@for tier in unit e2e quality; do $(MAKE) --no-print-directory $(if $(SAN),SAN=$(SAN)) $$tier || true; done; \
	  $(PYTHON) tests/support/summary.py build/results

unit-summary:
	@rm -rf build/results
	@$(MAKE) --no-print-directory SAN=$(SAN) unit || true; $(PYTHON) tests/support/summary.py build/results

tier-lint:
	@$(MAKE) --no-print-directory -j2 all && $(MAKE) --no-print-directory lint
tier-unit:
	@$(MAKE) --no-print-directory -j2 all && $(MAKE) --no-print-directory -j2 unit
tier-unit-address:
	@$(MAKE) --no-print-directory -j2 SAN=address unit
tier-unit-thread:
	@$(MAKE) --no-print-directory -j2 SAN=thread unit
tier-e2e:
	@$(MAKE) --no-print-directory e2e
tier-cluster:
	@$(MAKE) --no-print-directory cluster
tier-cluster-thread:
	@$(MAKE) --no-print-directory -j2 SAN=thread cluster ONLY=nodes
tier-quality:
	@$(MAKE) --no-print-directory quality
tier-fuzz-short:
	@$(MAKE) --no-print-directory -j2 SAN=fuzz fuzz-run FUZZ_SECONDS=5 FUZZ_REQUEST_SECONDS=90

unit_picked := $(call pick,$(if $(filter thread,$(SAN)),$(threaded),$(unit)))
# TSan does not see libgomp's barriers, so what it watches runs without OpenMP's threads.
san_env.thread  := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
  TSAN_OPTIONS=suppressions=$(abspath tests/support/tsan.supp):halt_on_error=0:exitcode=66
# The cluster's tests preload a library that shifts the clock.
san_env.address := ASAN_OPTIONS=verify_asan_link_order=0
# A node of the cluster's tests trains with as many threads as its options say.
cluster_env := $(san_env.$(SAN)) $(if $(filter thread,$(SAN)),OMP_THREAD_LIMIT=1)
unit: $(unit_picked) ## unit, API and golden tests (ONLY=name, SAN=address|thread)
	@$(san_env.$(SAN)) $(run_tests) --suite unit$(if $(SAN),-$(SAN)) --jobs $(JOBS) $(unit_picked)

e2e: all ## the real binary from outside, every answer checked against openapi.yaml (ONLY=name)
	@STAIR=$(abspath $B/stair) $(run_tests) --suite e2e --jobs $(JOBS) $(call pick,$(wildcard tests/e2e/test_*.py))

# A node with a fault in it, to see that the cluster's tests find it (tests/cluster/plant.py).
$B/planted/%/stair: tests/cluster/plant.py $B/server/main.o $B/libstair.a
	@echo "  PLANT $@"
	$Qfor f in $$($(PYTHON) tests/cluster/plant.py $* $B/planted/$*); do \
	  $(CC) -I. $(CPPFLAGS) $(CFLAGS) -c -o $${f%.c}.o $$f || exit 1; done
	$Q$(CC) $(LDFLAGS) -o $@ $B/planted/$*/*.o $B/server/main.o $B/libstair.a $(LDLIBS)

# One after the other: their networks have the same names, and they need the processors.
cluster: all $B/stair-next $B/stair-brisk $B/stair-single ## several nodes on real NATS servers, under faults (ONLY=name, CLUSTER_SECONDS, SAN=address|thread)
	@$(cluster_env) STAIR=$(abspath $B/stair) $(run_tests) --suite cluster$(if $(SAN),-$(SAN)) --timeout 3600 $(call pick,$(wildcard tests/cluster/test_*.py))

quality: all ## Recall and NDCG floors on real data, where ../shared/data has it (ONLY=name)
	@STAIR=$(abspath $B/stair) $(run_tests) --suite quality --timeout 1500 $(call pick,$(wildcard tests/quality/test_*.py))

torture_parts := torture-allocations torture-log torture-e2e torture-network torture-cluster
torture: all ## two to three hours: every part below and, beside them, the soak; the last line counts
	@rm -rf build/results
	@$(MAKE) --no-print-directory SOAK_RATE=25 soak & \
	  for part in $(torture_parts); do $(MAKE) --no-print-directory $$part || true; done; wait; \
	  $(PYTHON) tests/support/summary.py build/results $(torture_parts) soak

torture-allocations: ## every allocation fails in turn, under the address sanitizer
	@$(MAKE) --no-print-directory -j2 SAN=address torture-allocations-run
torture_units := $(foreach u,$(unit),$(if $(findstring torture,$u),$u))
torture-allocations-run: $(torture_units)
	@$(run_tests) --suite torture-allocations $(torture_units)

torture-log: $B/tests/unit/test_random_log ## twenty thousand random writes over seven stores
	@TORTURE=1 $(run_tests) --suite torture-log --timeout 7200 $<

KILL_ROUNDS ?= 100
DAMAGE_ROUNDS ?= 2000
REPLAY_SECONDS ?= 300
FAILING_CALLS ?= all
torture-e2e: all ## kills, damaged stores, replays and failing calls (ONLY, KILL_ROUNDS, DAMAGE_ROUNDS, REPLAY_SECONDS, FAILING_CALLS=FIRST-LAST)
	@STAIR=$(abspath $B/stair) KILL_ROUNDS=$(KILL_ROUNDS) DAMAGE_ROUNDS=$(DAMAGE_ROUNDS) \
	  REPLAY_SECONDS=$(REPLAY_SECONDS) FAILING_CALLS=$(FAILING_CALLS) \
	  $(run_tests) --suite torture-e2e --jobs $(JOBS) --timeout 14400 \
	  $(call pick,$(foreach n,kill damage replay failing_calls,tests/e2e/test_$n.py))

torture-network: all ## the attacks over the network, at length
	@STAIR=$(abspath $B/stair) TORTURE=1 $(run_tests) --suite torture-network --timeout 1800 \
	  $(foreach n,costs memory seq shapes connections log,tests/e2e/test_$n.py)

CLUSTER_SECONDS ?= 1200
torture-cluster: all ## twenty minutes of faults against several nodes, and a judgement of what clients saw (CLUSTER_SECONDS, CLUSTER_SEED, SAN=address|thread)
	@$(cluster_env) STAIR=$(abspath $B/stair) CLUSTER_SECONDS=$(CLUSTER_SECONDS) $(run_tests) --suite torture-cluster$(if $(SAN),-$(SAN)) --timeout 7200 tests/cluster/test_faults.py

SOAK_SECONDS ?= 3600
soak: all ## an hour of reads and writes: memory, descriptors and the file stay flat (SOAK_SECONDS, SOAK_RATE)
	@STAIR=$(abspath $B/stair) SOAK_SECONDS=$(SOAK_SECONDS) $(run_tests) --suite soak \
	  --timeout $$(( $(SOAK_SECONDS) + 600 )) tests/support/soak.py

nats: ## the NATS server that the cluster's tests run: prints its path, fetches it where there is none
	@tests/support/nats_server.sh

kill-rounds: all ## a hundred rounds of kill -9 under load
	@STAIR=$(abspath $B/stair) KILL_ROUNDS=100 $(run_tests) --suite kill --timeout 3600 tests/e2e/test_kill.py

FUZZ_SECONDS ?= 300
# What the network can send is attacked for longer than files that an operator brings.
FUZZ_REQUEST_SECONDS ?= $(FUZZ_SECONDS)
fuzz_seconds = $(if $(filter fuzz_body fuzz_request,$(notdir $1)),$(FUZZ_REQUEST_SECONDS),$(FUZZ_SECONDS))
fuzz: ## every fuzz target for FUZZ_SECONDS each (ONLY=name)
	@$(MAKE) --no-print-directory SAN=fuzz fuzz-run FUZZ_SECONDS=$(FUZZ_SECONDS)
fuzz-run: $(call pick,$(fuzzers))
	@$(run_tests) --suite fuzz-short --timeout $$(( $(FUZZ_SECONDS) + $(FUZZ_REQUEST_SECONDS) + 120 )) \
	  --jobs $(JOBS) --plain $(foreach f,$(call pick,$(fuzzers)),'FUZZ_SECONDS=$(call fuzz_seconds,$f) $f tests/fixtures/fuzz/$(patsubst fuzz_%,%,$(notdir $f))')

bench: ## speed, printed with the machine beside it (ONLY=name)
	@tests/support/deps.sh $(packages.build) $(packages.bench)
	@$(MAKE) --no-print-directory -j2 all bench-run
# The Python benches call bench_shop_store, so every program is built, whatever ONLY picks.
bench-run: all $(benches)
	@tests/support/machine.sh
	@for b in $(call pick,$(benches)); do echo "== $$b"; $$b || exit 1; done
	@for b in $(call pick,$(wildcard tests/bench/bench_*.py)); do echo "== $$b"; STAIR=$(abspath $B/stair) $(PYTHON) $$b || exit 1; done

ablation: all ## the paper's table of parts left out: make ablation DATA=../shared/data/tiktok
	@test -n "$(DATA)" || { echo "usage: make ablation DATA=FOLDER (interactions.inter, *_feat.npy, items.jsonl)"; exit 2; }
	@STAIR=$(abspath $B/stair) $(PYTHON) tests/bench/ablation.py $(DATA)

coverage: ## lines that the tests reach; fails below COVERAGE_FLOOR
	@tests/support/deps.sh $(packages.build) $(packages.test) $(packages.coverage)
	@$(MAKE) --no-print-directory -j2 SAN=coverage unit
	@$(MAKE) --no-print-directory -j2 SAN=coverage e2e
	@gcovr --root . --object-directory build/coverage --filter 'core/' --filter 'storage/' --filter 'api/' \
	  --filter 'server/' --fail-under-line $(COVERAGE_FLOOR) --txt build/coverage/report.txt; status=$$?; \
	  cat build/coverage/report.txt; exit $$status
COVERAGE_FLOOR ?= 90

docker-test: ## build the Dockerfile with buildah on a debootstrap base, and run the image
	@tests/support/deps.sh $(packages.image) curl
	@tests/support/docker_test.sh

test-platforms: ## the README's commands on bare Debian 12 and 13, made by debootstrap
	@tests/support/deps.sh debootstrap
	@for suite in bookworm trixie; do tests/support/platforms.sh $$suite 'make test' || exit 1; done

##@ Style

sources := $(call in_layers,*.[ch] *.cpp *.def)
tests_c := $(wildcard tests/*/*.[ch])

# The documents and what is under deploy/ are held against the binary.
lint: all ## layers, headers, banned calls, cppcheck, clang-tidy, openapi, formatting, scripts, deploy/
	@$(run_tests) --suite lint --plain '$(MAKE) -s format-check' 'tests/support/lint_layers.sh' '$(MAKE) -s lint-circles' \
	  '$(MAKE) -s -j2 lint-headers' '$(MAKE) -s lint-openapi' 'tests/support/lint_contract.sh' '$(MAKE) -s lint-scripts' \
	  '$(MAKE) -s lint-clang' '$(MAKE) -s lint-cppcheck' '$(MAKE) -s lint-tidy' '$(MAKE) -s lint-documents' '$(MAKE) -s lint-deploy'

layers: ## includes only look left: core, storage, api, server; prints the folders as a table
	@tests/support/lint_layers.sh --table

lint-circles: all ## no two source files call each other
	@$(PYTHON) tests/support/lint_circles.py $B

headers_ok := $(patsubst %.h,$B/lint/%.ok,$(filter %.h,$(sources)))
lint-headers: $(headers_ok) ## every header compiles by itself
$B/lint/%.ok: %.h Makefile
	@mkdir -p $(@D)
	@printf '#include "%s"\n#include "%s"\n' $< $< | \
	  $(CC) $(filter-out -MMD -MP,$(CPPFLAGS)) $(CFLAGS) -Werror -fsyntax-only -x c - && touch $@

lint-openapi:
	@$(PYTHON) tests/support/lint_openapi.py

# Two misspelt column names are examples of import's messages.
lint-documents: all
	@$(PYTHON) tests/support/lint_documents.py
	@codespell -L timestmp,traid $$(git ls-files '*.md') openapi.yaml

lint-deploy: all ## systemd, compose, Kubernetes and Prometheus files against those who read them and the binary
	@STAIR=$(abspath $B/stair) $(PYTHON) tests/support/lint_deploy.py
	@tests/support/lint_kubernetes.sh

lint-scripts:
	@for f in $$(git ls-files '*.py'); do $(PYTHON) -c 'import ast,sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' $$f || exit 1; done
	@for f in $$(git ls-files '*.sh') .ci/run; do bash -n $$f || exit 1; done
	@$(PYTHON) tests/cluster/plant.py --check

lint-clang: ## clang builds it without a warning
	@$(MAKE) -s -j2 CC=clang CXX=clang++ SAN= WERROR=1 B=build/clang all

lint-cppcheck:
	@mkdir -p build/cppcheck
	@cppcheck -q -j2 --cppcheck-build-dir=build/cppcheck --std=c11 --language=c --error-exitcode=1 --inline-suppr \
	  --enable=warning,portability --suppressions-list=tests/support/cppcheck.supp -I. -D_GNU_SOURCE \
	  -DSTAIR_VERSION='""' $(filter %.c,$(sources))

clang_major = $(shell $1 --version | sed -nE 's/.*version ([0-9]+).*/\1/p' | head -n 1)
lint-tidy:
	@printf '%s\n' $(filter %.c,$(sources)) | xargs -P2 -I{} clang-tidy --quiet --warnings-as-errors='*' {} 2>build/tidy.log \
	  -- -std=gnu17 -I. -D_GNU_SOURCE -DSTAIR_VERSION='""' -DSTAIR_COMMIT='""' || { grep -v 'warnings generated' build/tidy.log; exit 1; }

documents: all ## write the parts of the documents that the binary knows
	@$(PYTHON) tests/support/documents.py

format: ## let clang-format write every file
	@clang-format -i $(sources) $(tests_c)

# Releases of clang-format disagree about a few places; Debian 12's decides.
clang_format_major := 14
format-check: ## fail when clang-format 14 would change a file
	@if [ "$(call clang_major,clang-format)" = $(clang_format_major) ]; then \
	  clang-format --dry-run -Werror $(sources) $(tests_c); \
	else echo "format-check: not run: clang-format $(clang_format_major) decides, this is $(call clang_major,clang-format)"; fi

help: ## this list
	@awk '/^##@/ { print "\n" substr($$0, 5) } /^[a-z0-9-]+:.*## / { n = $$0; sub(/:.*/, "", n); d = $$0; sub(/^[^#]*## /, "", d); printf "  %-14s %s\n", n, d }' Makefile

-include $(shell find $B -name '*.d' 2>/dev/null)
.PHONY: torture-allocations torture-allocations-run torture-log torture-e2e torture-cluster nats cluster tier-cluster soak all demo deps deps-build install install-files deb test-deb release docker clean test check only unit-summary unit e2e quality torture torture-network \
  kill-rounds fuzz fuzz-run bench bench-run ablation coverage docker-test lint layers lint-headers \
  lint-openapi lint-circles lint-documents lint-deploy lint-scripts lint-clang lint-cppcheck lint-tidy documents format format-check test-platforms help FORCE \
  $(tiers:%=tier-%)
