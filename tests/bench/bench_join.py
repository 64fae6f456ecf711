# SPDX-License-Identifier: Apache-2.0
"""How long a new node takes to join a cluster with a large store: a store of generated users, items and
interactions becomes a cluster on three NATS servers, and an empty folder joins it.

    STAIR=build/release/stair /usr/bin/python3 tests/bench/bench_join.py [--items 1000000]
        [--users 1000000] [--interactions 19000000]
"""

import argparse
import os
import shutil
import sys
import tempfile
import time

import numpy

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support"), os.path.join(HERE, "..", "cluster")]
import harness  # noqa: E402
import nats  # noqa: E402
import nodes  # noqa: E402

CHUNK = 1 << 20
STEP_SECONDS = 3000


def generate(folder, options):
    """Popular items are bought more often, and some users buy more than others."""
    rng = numpy.random.default_rng(1)
    items, interactions = os.path.join(folder, "items.jsonl"), os.path.join(folder, "interactions.tsv")
    with open(items, "w", encoding="ascii") as f:
        for item in range(options.items):
            f.write('{"id":"%d","title":"item number %d"}\n' % (item, item))
    with open(interactions, "w", encoding="ascii") as f:
        f.write("user\titem\ttimestamp\n")
        for begin in range(0, options.interactions, CHUNK):
            count = min(CHUNK, options.interactions - begin)
            user = (options.users * rng.random(count) ** 1.5).astype(int)
            item = (options.items * rng.random(count) ** 2).astype(int)
            at = 1600000000 + numpy.arange(begin, begin + count)
            f.writelines("u%d\t%d\t%d\n" % row for row in zip(user, item, at))
    return items, interactions


def timed(what, *arguments):
    began = time.monotonic()
    done = harness.run(*arguments, timeout=STEP_SECONDS)
    print(f"{what}: {time.monotonic() - began:.1f} s (load {os.getloadavg()[0]:.0f})", flush=True)
    return done.stdout


def digest(store):
    return harness.run("check", "--store", store, "--digest", timeout=STEP_SECONDS).stdout


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=1000000)
    parser.add_argument("--users", type=int, default=1000000)
    parser.add_argument("--interactions", type=int, default=19000000)
    options = parser.parse_args()
    if nats.program() is None:
        raise SystemExit("bench_join: there is no nats-server of 2.10.23 or newer")
    folder = tempfile.mkdtemp(prefix="stair-bench-", dir=os.environ.get("TMPDIR", "/var/tmp"))
    store, second = os.path.join(folder, "first"), os.path.join(folder, "second")
    try:
        items, interactions = generate(folder, options)
        print(timed("import", "import", "--store", store, "--items", items, "--interactions", interactions,
                    "--split", "none"), end="")
        os.unlink(interactions)
        with nats.Servers(3, os.path.join(folder, "nats")) as servers:
            where = ["--cluster", servers.urls, "--cluster-name", nodes.NAME]
            timed("init with the first snapshot", "cluster", "init", "--store", store, *where)
            print(f"store: {os.path.getsize(os.path.join(store, 'data.mdb')) / 1e9:.2f} GB")
            timed("join", "cluster", "join", "--store", second, *where)
        if digest(store) != digest(second):
            raise SystemExit("bench_join: the stores differ")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
