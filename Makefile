# SPDX-License-Identifier: Apache-2.0
# stair: build, test and run. `make help` lists all targets.
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
# CLUSTER=no builds a binary that only serves as a single node, without server/cluster and libnats.
CLUSTER ?= yes
variant := $(if $(SAN),$(SAN),release)$(if $(filter no,$(CLUSTER)),-single)
B ?= build/$(variant)

VERSION := 0.2.0
COMMIT  := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
PREFIX  ?= /usr/local
# Debian's own python3, because the Python packages are installed for it. Another one may come first in PATH.
PYTHON  ?= /usr/bin/python3

# ---- Packages, by what needs them. `make deps` installs all that building and testing needs.

packages.build := gcc g++ make libc6-dev libmicrohttpd-dev libgnutls28-dev libjansson-dev \
                  liblmdb-dev libfaiss-dev libopenblas-dev liblapacke-dev libsystemd-dev
# xxHash: the checksum of every stored record. It has no dependencies and computes 64 bits at the speed
# of memory; a checksum of our own would gain nothing.
packages.build += libxxhash-dev
# utf8proc: folding and decomposition of Unicode text for the words of items. It is small, and the Julia
# project maintains it. ICU does the same with thirty times the data.
packages.build += libutf8proc-dev
# zlib: import reads files that gzip has packed. Every Debian has it, because dpkg needs it.
packages.build += zlib1g-dev
# libcurl: calls of an encoder of texts, over HTTP and TLS, several at once. Without its multi interface we
# would have to write one. The GnuTLS variant is taken, because GnuTLS is linked already.
packages.build += libcurl4-gnutls-dev
# NATS's client: access to the log that several nodes share. Without it we would have to write the protocol
# with its TLS, credentials and JetStream. `make CLUSTER=no` does not need it.
packages.build += $(if $(filter no,$(CLUSTER)),,libnats-dev)
packages.demo  := curl
# prometheus, prometheus-alertmanager: a test follows alerts from the scrape to the receiver.
packages.test  := libcmocka-dev python3 python3-yaml python3-jsonschema python3-numpy curl openssl \
                  prometheus prometheus-alertmanager chromium chromium-driver procps git tzdata
# For the cluster's tests. iproute2: network namespaces, which separate servers and nodes. haproxy: the
# balancer in front of the nodes.
packages.test += iproute2 haproxy
# codespell: spelling of the documents and of openapi.yaml.
# npm: brings the linters of openapi.yaml and the schemas of Kubernetes. It is not installed if the machine has one already.
# groff-base: lintian needs it to check the man pages.
# clang: a second compiler, whose warnings differ from gcc's.
packages.lint  := $(if $(shell command -v npm),,npm) cppcheck groff-base clang clang-tidy libomp-dev clang-format python3 python3-yaml python3-jsonschema binutils systemd procps \
                  docker-compose prometheus codespell
packages.bench := wrk python3 python3-numpy python3-torch python3-faiss python3-fastapi uvicorn valgrind
packages.coverage := gcovr
packages.image := buildah debootstrap
packages.deb   := build-essential debhelper dpkg-dev fakeroot python3

# ---- How things are compiled.

warnings := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
# With -Wconversion, clang also warns of an enum's constant in double arithmetic, as in seconds * MILLISECONDS.
warnings += $(if $(findstring clang,$(shell $(CC) --version 2>/dev/null)),-Wno-enum-float-conversion)
# These three options let the compiler vectorise a sum. -ffast-math would too, but it removes checks for NaN.
maths := -fassociative-math -fno-signed-zeros -fno-trapping-math
san_flags.address  := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1
san_flags.thread   := -fsanitize=thread -fno-omit-frame-pointer -O1
san_flags.coverage := --coverage -O0
san_flags.fuzz     := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1
san_flags := $(if $(SAN),$(or $(san_flags.$(SAN)),$(error unknown SAN=$(SAN): address or thread)),-O3)

# Checks of the stack and of buffers at run time. Sanitizers have checks of their own.
hardening := $(if $(SAN),,-fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
$B/core/%.o $B/storage/%.o $B/api/%.o $B/server/%.o: override CFLAGS += $(hardening)
# gcc's warning of a truncated text depends on the optimisation, so only the release build has it.
override CFLAGS += -std=gnu17 -g $(san_flags) $(maths) $(warnings) $(if $(SAN),-Wno-format-truncation) $(if $(WERROR),-Werror) -fopenmp
# core/search/faiss_c.cpp replaces both operator new and delete. gcc inlines only one of them, and warns of a mismatch.
override CXXFLAGS += -std=c++17 -g $(san_flags) -Wall -Wextra -Wno-mismatched-new-delete $(if $(WERROR),-Werror) -fopenmp
override CPPFLAGS += -I. -D_GNU_SOURCE -DSTAIR_VERSION='"$(VERSION)"' -MMD -MP
override CPPFLAGS += $(if $(filter no,$(CLUSTER)),,-DSTAIR_CLUSTER)
override LDFLAGS += $(if $(SAN),$(filter -fsanitize% --coverage,$(san_flags)),-pie -Wl,-z,relro,-z,now) -fopenmp
# The code under test reports to the fuzzer which edges an input reaches. The fuzzer's own driver must not report any.
ifeq ($(SAN),fuzz)
$B/core/%.o $B/storage/%.o $B/api/%.o $B/server/%.o: override CFLAGS += -fsanitize-coverage=trace-pc
endif

# libfaiss_c is linked where it exists. Debian has only its headers, so core/search/faiss_c.cpp replaces it there.
faiss_c := $(shell printf 'int main(void){return 0;}' | $(CC) -x c - -o /dev/null -lfaiss_c 2>/dev/null && echo yes)
LDLIBS := $(if $(faiss_c),-lfaiss_c) -lfaiss -lmicrohttpd -lgnutls -ljansson -llmdb -lz -lxxhash -lutf8proc -lcurl $(if $(filter no,$(CLUSTER)),,-lnats) -lsystemd -llapacke -lopenblas -lstdc++ -lm -lpthread

# The files of this name in all folders of the four layers, up to two levels deep.
in_layers = $(wildcard $(foreach l,core storage api server,$(foreach p,$1,$l/$p $l/*/$p $l/*/*/$p)))
lib_c   := $(filter-out server/main.c $(if $(filter no,$(CLUSTER)),server/cluster/% server/commands/cmd_cluster.c),\
             $(call in_layers,*.c))
lib_cpp := $(if $(faiss_c),,$(call in_layers,*.cpp))
lib_s   := $(if $(wildcard openapi.yaml),$(wildcard api/web/*.S))
lib_o   := $(lib_c:%.c=$B/%.o) $(lib_cpp:%.cpp=$B/%.o) $(lib_s:%.S=$B/%.o)
unit    := $(patsubst %.c,$B/%,$(filter-out $(if $(filter no,$(CLUSTER)),tests/unit/test_violations.c),\
             $(wildcard tests/unit/test_*.c tests/api/test_*.c tests/golden/test_*.c)))
# Tests that start threads; only they run with the thread sanitizer.
threaded := $(patsubst %.c,$B/%,$(shell grep -lE 'pthread_create|run_in_threads' \
              $(wildcard tests/unit/test_*.c tests/api/test_*.c) /dev/null))
fuzzers := $(patsubst %.c,$B/%,$(wildcard tests/fuzz/fuzz_*.c))
benches := $(patsubst %.c,$B/%,$(wildcard tests/bench/bench_*.c))
support := $(patsubst %.c,$B/%.o,$(wildcard tests/support/*.c))
shared_bench := $(patsubst %.c,$B/%.o,$(filter-out tests/bench/bench_%,$(wildcard tests/bench/*.c)))
pick = $(if $(ONLY),$(foreach n,$(ONLY),$(filter %/test_$n %/bench_$n %/fuzz_$n %/test_$n.py %/bench_$n.py,$1)),$1)

Q := $(if $(V),,@)
# The number of test programs that run at the same time.
JOBS ?= $(shell nproc)
# The longest programs of each suite. They begin first.
long := clang cppcheck tidy deploy random_log train words index step large_answers prometheus encoder import check \
  faults erasure planted refusals floors cold body request
run_tests := $(PYTHON) tests/support/run_tests.py --first '$(long)'

##@ Build and run

all: $B/stair ## build build/release/stair

$B/stair: $B/server/main.o $B/libstair.a
	@echo "  LINK $@"
	$Q$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# stair-next: a node with the next version of writes, for tests of clusters with two versions. The files that
# contain the version's number are compiled again, and two of them are changed (tests/cluster/plant.py).
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

# stair-single: the binary of `make CLUSTER=no`, built from the same objects. Only the two files that refer to
# the cluster are compiled again without it, and the binary is linked without libnats.
single_o := $(patsubst %,$B/single/server/commands/%.o,commands replication)
$B/stair-single: $B/server/main.o $(single_o) $B/libstair.a
	@echo "  LINK $@"
	$Q$(CC) $(LDFLAGS) -o $@ $^ $(filter-out -lnats,$(LDLIBS))

$B/single/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC   $< (single node)"
	$Q$(CC) $(filter-out -DSTAIR_CLUSTER,$(CPPFLAGS)) $(CFLAGS) -c $< -o $@

# stair-brisk: a node that removes superfluous copies after seconds in place of minutes.
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

# The binary contains these files (.incbin), so that it needs no others beside it.
$B/api/web/assets.o: api/web/assets.S openapi.yaml api/web/console.html Makefile
	@mkdir -p $(@D)
	@echo "  AS   $<"
	$Q$(CC) -I. -c $< -o $@

# The file with the commit that `stair --version` prints is compiled again only if the commit changed.
$B/commit.txt: FORCE
	@mkdir -p $(@D)
	@echo '$(COMMIT)' | cmp -s - $@ || echo '$(COMMIT)' > $@
$B/server/telemetry/version.o: override CPPFLAGS += -DSTAIR_COMMIT='"$(COMMIT)"'
$B/server/telemetry/version.o: $B/commit.txt
FORCE:

# This rule is for the benches alone. With two pattern rules, make would choose the one below as long as an
# object in $(shared_bench) does not exist.
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

demo: ## install packages, build, write a shop, import it, train on it, serve it
	@tests/support/demo.sh --check-port
	@tests/support/deps.sh $(packages.build) $(packages.demo)
	@$(MAKE) --no-print-directory -j $(JOBS) all
	@tests/support/demo.sh $B/stair

deps: ## install all packages that building and testing need (Debian 12 or 13; root or sudo)
	@tests/support/deps.sh $(packages.build) $(packages.demo) $(packages.test) $(packages.lint)

deps-build: ## install only the packages that building needs
	@tests/support/deps.sh $(packages.build)

install: all install-files ## install binary, man pages, completion, units and documents (DESTDIR, PREFIX)

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

deb: ## build the Debian package build/stair_VERSION_ARCH.deb for this machine's Debian
	@tests/support/deps.sh $(packages.build) $(packages.deb)
	@deploy/package/build_deb.sh $(VERSION) $(packages.build)

test-deb: deb ## check the package with lintian; install, upgrade, remove and purge it in a chroot
	@tests/support/deps.sh debootstrap lintian
	@tests/support/deb_test.sh build/stair_$(VERSION)_*.deb

release: ## write the source tarball build/stair-VERSION.tar.gz and its SHA-256
	@mkdir -p build
	@git archive --format=tar.gz --prefix=stair-$(VERSION)/ -o build/stair-$(VERSION).tar.gz HEAD
	@cd build && sha256sum stair-$(VERSION).tar.gz | tee stair-$(VERSION).tar.gz.sha256

docker: ## build the container image `stair`
	docker build -t stair:$(VERSION) -t stair:latest .

clean: ## remove build/
	rm -rf build

##@ Test

test: ## install packages, build, run every tier; the last line counts the tests (ONLY=name, SAN=address|thread)
	@tests/support/deps.sh $(packages.build) $(packages.demo) $(packages.test) $(packages.lint)
	@$(MAKE) --no-print-directory $(if $(ONLY),only,$(if $(SAN),unit-summary,check))

tiers := lint unit unit-address thread e2e cluster quality fuzz-short
suites := $(subst thread,unit-thread cluster-thread,$(tiers))

check: ## everything that CI runs, without installing packages
	@rm -rf build/results
	@for tier in $(tiers); do $(MAKE) --no-print-directory WERROR=1 tier-$$tier || true; done; \
	  $(PYTHON) tests/support/summary.py build/results $(suites)

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
# The longest unit test uses one processor, and the nodes wait most of the time.
tier-thread:
	@$(MAKE) --no-print-directory -j2 SAN=thread unit-programs nodes
	@$(MAKE) --no-print-directory tier-cluster-thread & \
	  $(MAKE) --no-print-directory tier-unit-thread; unit=$$?; wait $$! && exit $$unit
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
# TSan does not understand libgomp's barriers, so these tests run with one OpenMP thread.
san_env.thread  := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
  TSAN_OPTIONS=suppressions=$(abspath tests/support/tsan.supp):halt_on_error=0:exitcode=66
# The cluster's tests preload a library that shifts the clock. ASan would refuse to start behind it.
san_env.address := ASAN_OPTIONS=verify_asan_link_order=0
# In the cluster's tests a training asks for threads by its own options, so the thread sanitizer needs a limit too.
cluster_env := $(san_env.$(SAN)) $(if $(filter thread,$(SAN)),OMP_THREAD_LIMIT=1)
unit-programs: $(unit_picked)
unit: $(unit_picked) ## unit, API and golden tests (ONLY=name, SAN=address|thread)
	@$(san_env.$(SAN)) $(run_tests) --suite unit$(if $(SAN),-$(SAN)) --jobs $(JOBS) $(unit_picked)

e2e: all ## the real binary from outside, every answer checked against openapi.yaml (ONLY=name)
	@STAIR=$(abspath $B/stair) $(run_tests) --suite e2e --jobs $(JOBS) $(call pick,$(wildcard tests/e2e/test_*.py))

# A node with a planted fault, which the cluster's tests must find (tests/cluster/plant.py).
$B/planted/%/stair: tests/cluster/plant.py $B/server/main.o $B/libstair.a
	@echo "  PLANT $@"
	$Qfor f in $$($(PYTHON) tests/cluster/plant.py $* $B/planted/$*); do \
	  $(CC) -I. $(CPPFLAGS) $(CFLAGS) -c -o $${f%.c}.o $$f || exit 1; done
	$Q$(CC) $(LDFLAGS) -o $@ $B/planted/$*/*.o $B/server/main.o $B/libstair.a $(LDLIBS)

# stair, and the nodes that some tests of the cluster need beside it.
nodes: all $B/stair-next $B/stair-brisk $B/stair-single
# These tests use less than half a processor each: they wait for servers to be found missing.
cluster: nodes ## several nodes on real NATS servers, under faults (ONLY=name, CLUSTER_SECONDS, SAN=address|thread)
	@$(cluster_env) STAIR=$(abspath $B/stair) $(run_tests) --suite cluster$(if $(SAN),-$(SAN)) --jobs $$(( 2 * $(JOBS) )) --timeout 3600 $(call pick,$(wildcard tests/cluster/test_*.py))

quality: all ## Recall and NDCG on real data must reach their floors; needs ../shared/data (ONLY=name)
	@STAIR=$(abspath $B/stair) $(run_tests) --suite quality --jobs $(JOBS) --timeout 1500 $(call pick,$(wildcard tests/quality/test_*.py))

torture_parts := torture-allocations torture-log torture-e2e torture-network torture-cluster
# With less than 100 per cent, the parts whose length is no number run as long as in CI.
PERCENT ?= 100
whole := $(filter 100,$(PERCENT))
per_cent = $(shell echo $$(( ($1 * $(PERCENT) + 99) / 100 )))
torture_lengths = KILL_ROUNDS=$(call per_cent,$(KILL_ROUNDS)) DAMAGE_ROUNDS=$(call per_cent,$(DAMAGE_ROUNDS)) \
  REPLAY_SECONDS=$(call per_cent,$(REPLAY_SECONDS)) CLUSTER_SECONDS=$(call per_cent,$(CLUSTER_SECONDS)) \
  SOAK_SECONDS=$(call per_cent,$(SOAK_SECONDS)) FAILING_CALLS=$(if $(whole),$(FAILING_CALLS)) PERCENT=$(PERCENT)
torture: all ## all parts below with the soak beside them, two to three hours; the last line counts the tests (PERCENT of that length)
	@rm -rf build/results
	@$(MAKE) --no-print-directory $(torture_lengths) SOAK_RATE=25 soak & \
	  for part in $(torture_parts); do $(MAKE) --no-print-directory $(torture_lengths) $$part || true; done; wait; \
	  $(PYTHON) tests/support/summary.py build/results $(torture_parts) soak

torture-allocations: ## let each allocation fail in turn, under the address sanitizer
	@$(MAKE) --no-print-directory -j2 SAN=address torture-allocations-run
torture_units := $(foreach u,$(unit),$(if $(findstring torture,$u),$u))
torture-allocations-run: $(torture_units)
	@$(run_tests) --suite torture-allocations $(torture_units)

torture-log: $B/tests/unit/test_random_log ## twenty thousand random writes on seven stores, whose content must be equal
	@$(if $(whole),TORTURE=1) $(run_tests) --suite torture-log --timeout 7200 $<

KILL_ROUNDS ?= 100
DAMAGE_ROUNDS ?= 2000
REPLAY_SECONDS ?= 300
FAILING_CALLS ?= all
torture-e2e: all ## kills, damaged stores, replays and failing calls (ONLY, KILL_ROUNDS, DAMAGE_ROUNDS, REPLAY_SECONDS, FAILING_CALLS=FIRST-LAST)
	@STAIR=$(abspath $B/stair) KILL_ROUNDS=$(KILL_ROUNDS) DAMAGE_ROUNDS=$(DAMAGE_ROUNDS) \
	  REPLAY_SECONDS=$(REPLAY_SECONDS) FAILING_CALLS=$(FAILING_CALLS) \
	  $(run_tests) --suite torture-e2e --jobs $(JOBS) --timeout 14400 \
	  $(call pick,$(foreach n,kill damage replay failing_calls,tests/e2e/test_$n.py))

torture-network: all ## the attacks over the network, longer than in CI
	@STAIR=$(abspath $B/stair) $(if $(whole),TORTURE=1) $(run_tests) --suite torture-network --timeout 1800 \
	  $(foreach n,costs memory seq shapes connections log,tests/e2e/test_$n.py)

CLUSTER_SECONDS ?= 1200
torture-cluster: all ## twenty minutes of faults against several nodes; a judge checks what clients saw (CLUSTER_SECONDS, CLUSTER_SEED, SAN=address|thread)
	@$(cluster_env) STAIR=$(abspath $B/stair) CLUSTER_SECONDS=$(CLUSTER_SECONDS) $(run_tests) --suite torture-cluster$(if $(SAN),-$(SAN)) --timeout 7200 tests/cluster/test_faults.py

SOAK_SECONDS ?= 3600
soak: all ## an hour of reads and writes: memory, descriptors and the store's file must not grow (SOAK_SECONDS, SOAK_RATE)
	@STAIR=$(abspath $B/stair) SOAK_SECONDS=$(SOAK_SECONDS) $(run_tests) --suite soak \
	  --timeout $$(( $(SOAK_SECONDS) + 600 )) tests/support/soak.py

nats: ## print the path of the NATS server that the cluster's tests use; download it if there is none
	@tests/support/nats_server.sh

kill-rounds: all ## a hundred rounds of kill -9 under load
	@STAIR=$(abspath $B/stair) KILL_ROUNDS=100 $(run_tests) --suite kill --timeout 3600 tests/e2e/test_kill.py

FUZZ_SECONDS ?= 300
# Targets for input from the network may run longer than those for files of the operator.
FUZZ_REQUEST_SECONDS ?= $(FUZZ_SECONDS)
fuzz_seconds = $(if $(filter fuzz_body fuzz_request,$(notdir $1)),$(FUZZ_REQUEST_SECONDS),$(FUZZ_SECONDS))
fuzz: ## run each fuzz target for FUZZ_SECONDS (ONLY=name)
	@$(MAKE) --no-print-directory SAN=fuzz fuzz-run FUZZ_SECONDS=$(FUZZ_SECONDS)
fuzz-run: $(call pick,$(fuzzers))
	@$(run_tests) --suite fuzz-short --timeout $$(( $(FUZZ_SECONDS) + $(FUZZ_REQUEST_SECONDS) + 120 )) \
	  --jobs $(JOBS) --plain $(foreach f,$(call pick,$(fuzzers)),'FUZZ_SECONDS=$(call fuzz_seconds,$f) $f tests/fixtures/fuzz/$(patsubst fuzz_%,%,$(notdir $f))')

bench: ## measure speed; prints the machine too (ONLY=name)
	@tests/support/deps.sh $(packages.build) $(packages.bench)
	@$(MAKE) --no-print-directory -j2 all bench-run
# The Python benches call bench_shop_store, so all programs are built, even if ONLY picks one bench.
bench-run: all $(benches)
	@tests/support/machine.sh
	@for b in $(call pick,$(benches)); do echo "== $$b"; $$b || exit 1; done
	@for b in $(call pick,$(wildcard tests/bench/bench_*.py)); do echo "== $$b"; STAIR=$(abspath $B/stair) $(PYTHON) $$b || exit 1; done

ablation: all ## quality with each part of the method left out, as in the paper: make ablation DATA=FOLDER
	@test -n "$(DATA)" || { echo "usage: make ablation DATA=FOLDER (interactions.inter, *_feat.npy, items.jsonl)"; exit 2; }
	@STAIR=$(abspath $B/stair) $(PYTHON) tests/bench/ablation.py $(DATA)

coverage: ## the share of lines that the tests reach; fails below COVERAGE_FLOOR
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

test-platforms: ## run `make test` on bare Debian 12 and 13, made by debootstrap
	@tests/support/deps.sh debootstrap
	@for suite in bookworm trixie; do tests/support/platforms.sh $$suite 'make test' || exit 1; done

##@ Style

sources := $(call in_layers,*.[ch] *.cpp *.def)
tests_c := $(wildcard tests/*/*.[ch])

# The checks of the documents and of deploy/ need the binary.
lint: all ## layers, headers, banned calls, cppcheck, clang-tidy, openapi, formatting, scripts, deploy/
	@$(run_tests) --suite lint --jobs $(JOBS) --plain '$(MAKE) -s format-check' 'tests/support/lint_layers.sh' '$(MAKE) -s lint-circles' \
	  '$(MAKE) -s -j2 lint-headers' '$(MAKE) -s lint-openapi' 'tests/support/lint_contract.sh' '$(MAKE) -s lint-scripts' \
	  '$(MAKE) -s lint-clang' '$(MAKE) -s lint-cppcheck' '$(MAKE) -s lint-tidy' '$(MAKE) -s lint-documents' '$(MAKE) -s lint-deploy'

layers: ## check that each layer includes only those left of it: core, storage, api, server; print the folders
	@tests/support/lint_layers.sh --table

lint-circles: all ## check that no two source files call each other
	@$(PYTHON) tests/support/lint_circles.py $B

headers_ok := $(patsubst %.h,$B/lint/%.ok,$(filter %.h,$(sources)))
lint-headers: $(headers_ok) ## check that every header compiles by itself
$B/lint/%.ok: %.h Makefile
	@mkdir -p $(@D)
	@printf '#include "%s"\n#include "%s"\n' $< $< | \
	  $(CC) $(filter-out -MMD -MP,$(CPPFLAGS)) $(CFLAGS) -Werror -fsyntax-only -x c - && touch $@

lint-openapi:
	@$(PYTHON) tests/support/lint_openapi.py

# The documents contain two misspelt column names as examples for messages of import. In the sources, titel is such an
# example too, coo is a format of sparse matrices and teh a letter of Arabic.
lint-documents: all
	@$(PYTHON) tests/support/lint_documents.py
	@codespell -L timestmp,traid $$(git ls-files '*.md') openapi.yaml
	@codespell -L timestmp,traid,titel,coo,teh $$(git ls-files '*.[ch]' '*.cpp' '*.def' '*.S' '*.py' '*.sh' '*.html' '*.js' '*.y*ml' \
	  '*.conf*' '*.cfg' '*.service' '*.timer' Makefile Dockerfile .ci/run)

lint-deploy: all ## check the files of deploy/ with the programs that read them, and against the binary
	@STAIR=$(abspath $B/stair) $(PYTHON) tests/support/lint_deploy.py
	@tests/support/lint_kubernetes.sh

lint-scripts:
	@for f in $$(git ls-files '*.py'); do $(PYTHON) -c 'import ast,sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' $$f || exit 1; done
	@for f in $$(git ls-files '*.sh') .ci/run; do bash -n $$f || exit 1; done
	@$(PYTHON) tests/cluster/plant.py --check

lint-clang: ## build with clang; a warning is an error
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

documents: all ## write the generated documents from the binary
	@$(PYTHON) tests/support/documents.py

format: ## format every C file with clang-format
	@clang-format -i $(sources) $(tests_c)

# Releases of clang-format format a few places differently; that of Debian 12 decides.
clang_format_major := 14
format-check: ## fail if clang-format 14 would change a file
	@if [ "$(call clang_major,clang-format)" = $(clang_format_major) ]; then \
	  clang-format --dry-run -Werror $(sources) $(tests_c); \
	else echo "format-check: not run: clang-format $(clang_format_major) decides, this is $(call clang_major,clang-format)"; fi

help: ## this list
	@awk '/^##@/ { print "\n" substr($$0, 5) } /^[a-z0-9-]+:.*## / { n = $$0; sub(/:.*/, "", n); d = $$0; sub(/^[^#]*## /, "", d); printf "  %-14s %s\n", n, d }' Makefile

-include $(shell find $B -name '*.d' 2>/dev/null)
.PHONY: unit-programs nodes torture-allocations torture-allocations-run torture-log torture-e2e torture-cluster nats cluster tier-cluster soak all demo deps deps-build install install-files deb test-deb release docker clean test check only unit-summary unit e2e quality torture torture-network \
  kill-rounds fuzz fuzz-run bench bench-run ablation coverage docker-test lint layers lint-headers \
  lint-openapi lint-circles lint-documents lint-deploy lint-scripts lint-clang lint-cppcheck lint-tidy documents format format-check test-platforms help FORCE \
  $(tiers:%=tier-%) $(suites:%=tier-%)
