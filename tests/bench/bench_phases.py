# SPDX-License-Identifier: Apache-2.0
"""Where a request's instructions go: callgrind over the running service, phase by phase.

    STAIR=build/release/stair /usr/bin/python3 tests/bench/bench_phases.py [--items 6700] [--requests 300]

Unlike times, counts of instructions do not depend on what else the machine does. The service has one
thread. Counting begins after a warm-up, so it leaves out the start. It covers user space only. The
kernel's work for a request is that of /health/live, except for the bytes of the answer. valgrind has
no AVX-512, so the AVX2 kernel scans the codes; it takes some eight times the instructions of the VNNI
kernel.
"""

import argparse
import http.client
import os
import re
import subprocess
import sys
import tempfile
import time

from bench_serve import ROOT, STAIR, Service, make_shop

# A phase is a function with everything that it calls, except the phases that it contains.
PHASES = [
    ("header: framing, key, route", "admission_check", ()),
    ("parse: the query string", "recommend_request_query", ()),
    ("filter: what may be listed", "scratch_allow", ()),
    ("lookup: the user's interactions", "user_profile", ()),
    ("lookup: the user's row of H", "user_row", ()),
    ("search: codes", "codes_scan", ("note",)),
    ("search: bounds, exact scores, heap", "index_search", ("codes_scan",)),
    ("search: rows noted on the way", "note", ()),
    ("fill from popular items", "fill_by_number", ()),
    ("serialise: items", "answer_items", ()),
    ("headers and the answer's hand-over", "http_answer", ("exchange_record",)),
    ("record: metrics, access log", "exchange_record", ()),
]


def requests(address, path, users, count):
    connection = http.client.HTTPConnection(address, timeout=120)
    for n in range(count):
        connection.request("GET", path.replace("USER", f"u{n * 7919 % users}"))
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"bench_phases: {path} was answered {answer.status}")
    connection.close()


def control(service, *words):
    """callgrind carries out commands only while the program runs code, so a request is sent after each command."""
    asked = subprocess.Popen(["callgrind_control", *words, str(service.process.pid)], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    while asked.poll() is None:
        requests(service.address, "/health/live", 1, 1)
        time.sleep(0.05)
    if asked.returncode != 0:
        raise SystemExit(f"bench_phases: callgrind_control {words} failed")


def inclusive(dump):
    """Instructions of each function with all it calls, and the total."""
    text = subprocess.run(["callgrind_annotate", "--inclusive=yes", "--threshold=100", "--auto=no", dump],
                          capture_output=True, text=True, check=True).stdout
    total = int(re.search(r"([\d,]+) \(100\.0%\)\s+PROGRAM TOTALS", text).group(1).replace(",", ""))
    counts = {}
    for number, name in re.findall(r"^\s*([\d,]+) \([^)]*\)\s+[^:]*:([\w.']+)", text, re.M):
        name = name.split(".")[0].split("'")[0]
        counts[name] = max(counts.get(name, 0), int(number.replace(",", "")))
    return counts, total


def measure(service, folder, path, users, count):
    requests(service.address, path, users, 50)
    control(service, "--zero")
    requests(service.address, path, users, count)
    before = set(os.listdir(folder))
    control(service, "--dump")
    deadline = time.monotonic() + 60
    while not set(os.listdir(folder)) - before:
        if time.monotonic() > deadline:
            raise SystemExit("bench_phases: callgrind wrote nothing")
        time.sleep(0.1)
    time.sleep(0.5)
    dump = sorted(set(os.listdir(folder)) - before)[0]
    return inclusive(os.path.join(folder, dump))


def show(path, counts, total, count):
    print(f"{path}: {total / count / 1000:.1f}k instructions a request")
    told = 0
    for label, function, within in PHASES:
        own = counts.get(function, 0) - sum(counts.get(inner, 0) for inner in within)
        if own > 0:
            told += own
            print(f"  {label:<36} {own / count / 1000:8.1f}k  {100 * own / total:5.1f} %")
    print(f"  {'the HTTP library and the rest':<36} {(total - told) / count / 1000:8.1f}k  "
          f"{100 * (total - told) / total:5.1f} %", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=6700)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--shops", default=os.path.join(ROOT, "build", "bench"))
    options = parser.parse_args()
    store, _, users = make_shop(options.shops, options.items)
    print(f"{options.items} items x 64, {users} users, one serving thread, callgrind")
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out.%p", "-q",
                   STAIR, "serve", "--store", store, "--listen", "127.0.0.1:0", "--threads", "1",
                   "--access-log", "none", "--quota", "8GiB"]  # valgrind has no room for a map of a terabyte
        # Without this setting the binary would start itself again, and valgrind does not follow that.
        service = Service(command, "/health/ready", environment={"GOMP_SPINCOUNT": "1000"})
        try:
            for path in ("/health/live", "/recommend?user=USER&k=20"):
                counts, total = measure(service, folder, path, users, options.requests)
                show(path, counts, total, options.requests)
        finally:
            service.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
