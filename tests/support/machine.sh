#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints one line about the machine and the commit, which belongs to every measurement.
printf 'machine: %s, %s cores, %s; commit %s; %s\n' \
    "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" \
    "$(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)" \
    "$(git rev-parse --short HEAD 2>/dev/null || echo unknown)" "$(date -u +%Y-%m-%d)"
