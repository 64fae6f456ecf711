# stair: build, test and run. `make help` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules

CC  ?= gcc
CXX ?= g++
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif
SAN ?=
variant := $(if $(SAN),$(SAN),release)
B ?= build/$(variant)

VERSION := 0.1.0
COMMIT  := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)

warnings := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
# No -ffast-math: it deletes NaN checks. These are what lets a sum or a root be vectorised.
maths := -fassociative-math -fno-signed-zeros -fno-trapping-math -fno-math-errno
san_flags.address := -fsanitize=address,undefined -fno-omit-frame-pointer -O1
san_flags.thread  := -fsanitize=thread -fno-omit-frame-pointer -O1
san_flags := $(if $(SAN),$(or $(san_flags.$(SAN)),$(error unknown SAN=$(SAN): address or thread)),-O3)

override CFLAGS += -std=gnu17 -g $(san_flags) $(maths) $(warnings) $(if $(WERROR),-Werror) -fopenmp
override CXXFLAGS += -std=c++17 -g $(san_flags) -Wall -Wextra $(if $(WERROR),-Werror) -fopenmp
override CPPFLAGS += -I. -D_GNU_SOURCE -DSTAIR_VERSION='"$(VERSION)"' -MMD -MP
override LDFLAGS += $(if $(SAN),$(filter -fsanitize%,$(san_flags))) -fopenmp

# Where libfaiss_c exists we link it; Debian ships the headers only, so core/faiss_c.cpp fills in.
faiss_c := $(shell printf 'int main(void){return 0;}' | $(CC) -x c - -o /dev/null -lfaiss_c 2>/dev/null && echo yes)
LDLIBS := $(if $(faiss_c),-lfaiss_c) -lfaiss -lmicrohttpd -lgnutls -ljansson -llmdb -llapacke -lopenblas -lstdc++ -lm -lpthread

lib_c   := $(filter-out server/main.c,$(wildcard core/*.c storage/*.c api/*.c server/*.c))
lib_cpp := $(if $(faiss_c),,$(wildcard core/*.cpp))
lib_o   := $(lib_c:%.c=$B/%.o) $(lib_cpp:%.cpp=$B/%.o)
unit    := $(patsubst tests/%.c,$B/tests/%,$(wildcard tests/unit/test_*.c tests/api/test_*.c))
support := $(patsubst %.c,$B/%.o,$(wildcard tests/support/*.c))

Q := $(if $(V),,@)

all: $B/stair ## build build/release/stair

$B/stair: $B/server/main.o $B/libstair.a
	@echo "  LINK $@"
	$Q$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

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

$B/tests/%: $B/tests/%.o $(support) $B/libstair.a
	@echo "  LINK $@"
	$Q$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

.PRECIOUS: $B/%.o

unit: $(unit) ## build and run unit and API tests (ONLY=name picks, SAN=address|thread)
	@failed=0; for t in $(if $(ONLY),$(filter %/test_$(ONLY),$(unit)),$(unit)); do \
	  echo "== $$t"; $$t || failed=$$((failed+1)); done; exit $$failed

clean: ## remove build/
	rm -rf build

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

-include $(shell find $B -name '*.d' 2>/dev/null)
.PHONY: all unit clean help
