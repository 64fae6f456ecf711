# SPDX-License-Identifier: Apache-2.0
"""How fast the running service answers: wrk against stair, and against a peer in Python.

    STAIR=build/release/stair /usr/bin/python3 tests/bench/bench_serve.py [--sizes 6700,63000]
        [--seconds 4] [--rounds 5] [--no-peer] [--shops DIR] [--json FILE]
        [--beside OTHER_STAIR [--beside-shops DIR]]

For each size, bench_shop_store makes a store; it is kept in --shops and used again. The main figure
is the rate of /recommend divided by that of /health/live. wrk runs against both in turns, for some
seconds each (A B A B), and the figure is the median of the rounds' ratios. The bench also prints
latencies, memory, the time of a start from a cold page cache, and all this under a load of writes.
wrk has one thread, on the last core. The service has as many threads as there are cores. 1,000,000
items need 5 GB of disk and some minutes.

With --beside, only /recommend is measured: this binary and another one, for example an earlier
release, answer wrk in turns. The other one makes its shops with the bench_shop_store of its own build.
Compare processor times rather than rates: other work on the machine disturbs them less.
"""

import argparse
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STAIR = os.environ.get("STAIR", os.path.join(ROOT, "build", "release", "stair"))
MAKER = os.path.join(os.path.dirname(STAIR), "tests", "bench", "bench_shop_store")
# items: users, interactions
SHOPS = {6700: (19000, 200000), 63000: (190000, 1700000), 1000000: (1000000, 20000000)}
K = 20
CONNECTIONS = 16
LAST_CORE = str((os.cpu_count() or 1) - 1)

# wrk's own summary has no 99.9th percentile and no machine-readable form.
LUA = """
local path = os.getenv("BENCH_PATH")
local users = tonumber(os.getenv("BENCH_USERS"))
math.randomseed(tonumber(os.getenv("BENCH_SEED")))
request = function()
  return wrk.format("GET", (string.gsub(path, "USER", "u" .. math.random(0, users - 1))))
end
done = function(summary, latency)
  local bad = summary.errors.status + summary.errors.read + summary.errors.connect + summary.errors.timeout
  io.write(string.format("BENCH %d %d %d %d %d %d\\n", summary.requests, summary.duration, bad,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
"""


def wrk(address, path, users, seconds, seed=1):
    """One run; returns rate, errors and latencies in microseconds."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA)
        script.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", script.name, f"http://{address}/"]
        if (os.cpu_count() or 1) > 1:
            command = ["taskset", "-c", LAST_CORE] + command
        environment = dict(os.environ, BENCH_PATH=path, BENCH_USERS=str(users), BENCH_SEED=str(seed))
        text = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    requests, duration, bad, p50, p99, p999 = map(int, re.search(r"BENCH (.*)", text).group(1).split())
    if bad > 0:
        raise SystemExit(f"bench_serve: {bad} of {requests} requests to {path} failed\n{text}")
    return {"rate": requests / duration * 1e6, "p50": p50, "p99": p99, "p999": p999}


def get(address, path):
    connection = http.client.HTTPConnection(address, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Service:
    """A running service; `ready` is the number of seconds until its first answer."""

    def __init__(self, command, ready_path, address=None, environment=None):
        self.log = tempfile.TemporaryFile("w+")
        started = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        env=dict(os.environ, **(environment or {})))
        self.address = address
        while not self.answers(ready_path):
            if self.process.poll() is not None or time.monotonic() - started > 600:
                self.log.seek(0)
                raise SystemExit(f"bench_serve: {command[0]} did not start:\n{self.log.read()[-3000:]}")
            time.sleep(0.02)
        self.ready = time.monotonic() - started

    def answers(self, path):
        if self.address is None:
            self.log.seek(0)
            found = re.search(r"event=listening address=([\d.:]+)", self.log.read())
            self.address = found.group(1) if found else None
        try:
            return self.address is not None and get(self.address, path)[0] == 200
        except OSError:
            return False

    def memory(self, what):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(what + r":\s+(\d+)", status.read()).group(1)) * 1024

    def rss(self):
        return self.memory("VmRSS")

    def processor_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            return sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        self.log.close()


def make_shop(folder, items, maker=MAKER):
    users, interactions = SHOPS[items]
    store, peer = os.path.join(folder, f"shop-{items}"), os.path.join(folder, f"peer-{items}")
    if not os.path.exists(os.path.join(store, "complete")):
        subprocess.run(["rm", "-rf", store, peer], check=True)
        os.makedirs(store)
        os.makedirs(peer)
        arguments = [maker, store, str(items), str(users), str(interactions), peer]
        subprocess.run(arguments, check=True, stderr=subprocess.DEVNULL)
        os.sync()
        open(os.path.join(store, "complete"), "w").close()
    return store, peer, users


def forget_pages(store):
    """Drops the store's file from the page cache. No process may have it open."""
    file = os.open(os.path.join(store, "data.mdb"), os.O_RDONLY)
    os.fsync(file)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)


def ratios(service, path, users, options):
    """Runs wrk against both in turns; returns the median of the ratios, and the median run of /recommend."""
    wrk(service.address, path, users, 1)
    found, runs, live = [], [], []
    for n in range(options.rounds):
        a = wrk(service.address, "/health/live", users, options.seconds, n)
        b = wrk(service.address, path, users, options.seconds, n)
        found.append(b["rate"] / a["rate"])
        live.append(a["rate"])
        runs.append(b)
    runs.sort(key=lambda run: run["rate"])
    middle = dict(runs[len(runs) // 2], ratio=statistics.median(found), live=statistics.median(live))
    return middle


def serve(binary, store):
    command = [binary, "serve", "--store", store, "--listen", "127.0.0.1:0", "--access-log", "none"]
    return Service(command, "/health/ready")


def one_turn(service, path, users, options, seed):
    """One run of wrk, with the microseconds of the service's processor time for each request."""
    before = service.processor_seconds()
    run = wrk(service.address, path, users, options.seconds, seed)
    requests = run["rate"] * options.seconds
    return dict(run, processor=(service.processor_seconds() - before) * 1e6 / requests)


def bench_beside(items, options):
    """Measures /recommend of the other binary and of this one in turns; returns medians of both and of their ratios."""
    maker = os.path.join(os.path.dirname(os.path.abspath(options.beside)), "tests", "bench", "bench_shop_store")
    theirs, _, users = make_shop(options.beside_shops, items, maker)
    ours, _, _ = make_shop(options.shops, items)
    path, services, turns = f"/recommend?user=USER&k={K}", [], []
    try:
        for binary, store in ((options.beside, theirs), (STAIR, ours)):
            services.append(serve(binary, store))
            wrk(services[-1].address, path, users, 1)
        for n in range(options.rounds):
            turns.append([one_turn(s, path, users, options, n) for s in services])
    finally:
        for s in services:
            s.stop()
    result = {"items": items}
    for side, name in enumerate(("beside", "this")):
        result[name] = {key: statistics.median(turn[side][key] for turn in turns) for key in turns[0][side]}
        run = result[name]
        print(f"  {name:<8} {run['rate']:>8.0f} requests/s, {run['processor']:.1f} us of processor time a request, "
              f"p50 {run['p50']:.0f} us, p99 {run['p99']:.0f} us")
    for what, ratio in (("rate", [b["rate"] / a["rate"] for a, b in turns]),
                        ("processor time", [a["processor"] / b["processor"] for a, b in turns])):
        result[f"ratio of {what}"] = statistics.median(ratio)
        print(f"  {what}: {statistics.median(ratio):.2f} of the other's ({min(ratio):.2f} to {max(ratio):.2f})", flush=True)
    return result


class Writes:
    """Interactions in batches of 20, about 200 batches a second, from one connection."""

    def __init__(self, address, items, users):
        self.stopping, self.sent = False, 0
        self.thread = threading.Thread(target=self.run, args=(address, items, users))
        self.thread.start()

    def run(self, address, items, users):
        connection = http.client.HTTPConnection(address, timeout=60)
        number = 1
        while not self.stopping:
            entries = []
            for _ in range(20):
                number = number * 1103515245 + 12345 & 0x7FFFFFFF
                entries.append({"user": f"u{number % users}", "item": f"i{number // 7 % items}", "type": "purchase"})
            connection.request("POST", "/interactions", json.dumps({"interactions": entries}),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status >= 400:
                raise SystemExit(f"bench_serve: a write was answered {answer.status}")
            self.sent += len(entries)
            time.sleep(0.005)
        connection.close()

    def stop(self):
        self.stopping = True
        self.thread.join()


def show(what, run):
    print(f"  {what:<34} {run['ratio']:.3f} of /health/live   {run['rate']:>9.0f} requests/s   "
          f"p50 {run['p50']} us, p99 {run['p99']} us, p99.9 {run['p999']} us", flush=True)


def bench_stair(store, items, users, options):
    forget_pages(store)
    service = serve(STAIR, store)
    result = {"items": items, "users": users, "ready_seconds": service.ready, "rss_start": service.rss(),
              "peak_start": service.memory("VmHWM"), "processor_seconds_start": service.processor_seconds()}
    print(f"  ready from a cold page cache in {service.ready:.2f} s ({result['processor_seconds_start']:.2f} s of "
          f"processor time), at most {result['peak_start'] / 1e6:.0f} MB while loading", flush=True)
    try:
        path = f"/recommend?user=USER&k={K}"
        result["recommend"] = ratios(service, path, users, options)
        show("/recommend k=20", result["recommend"])
        if items >= 200000:
            result["exact"] = ratios(service, path + "&exact=true", users, options)
            show("/recommend k=20 exact=true", result["exact"])
            result["recall"] = recall(service.address, users)
            print(f"  recall@{K} against exact=true         {result['recall']:.4f}")
        result["rss"] = service.rss()
        writes = Writes(service.address, items, users)
        started = time.monotonic()
        result["under_writes"] = ratios(service, path, users, options)
        writes.stop()
        rate = writes.sent / (time.monotonic() - started)
        show(f"  with {rate:.0f} interactions/s", result["under_writes"])
    finally:
        service.stop()
    per_item = result["rss"] / items
    print(f"  RSS {result['rss'] / 1e6:.0f} MB ({per_item:.0f} bytes an item, {result['rss'] / users:.0f} a user)")
    return result


def recall(address, users):
    found = wanted = 0
    for n in range(200):
        path = f"/recommend?user=u{n * (users // 200)}&k={K}"
        near = {x["item"] for x in json.loads(get(address, path)[1])["items"]}
        exact = {x["item"] for x in json.loads(get(address, path + "&exact=true")[1])["items"]}
        found += len(near & exact)
        wanted += len(exact)
    return found / wanted


def bench_peer(peer, users, options, ours):
    workers = os.cpu_count() or 1
    address = "127.0.0.1:18743"
    command = ["/usr/bin/python3", "-m", "uvicorn", "--app-dir", os.path.dirname(os.path.abspath(__file__)),
               "peer_fastapi:app", "--host", "127.0.0.1", "--port", address.split(":")[1],
               "--workers", str(workers), "--log-level", "warning", "--no-access-log"]
    environment = {"PEER": peer, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    service = Service(command, "/health/live", address, environment)
    try:
        time.sleep(2)
        run = ratios(service, f"/recommend?user=USER&k={K}", users, options)
    finally:
        service.stop()
    run["times"] = ours["rate"] / run["rate"]
    print(f"  FastAPI + uvicorn + faiss, {workers} workers  {run['rate']:.0f} requests/s, p50 {run['p50']} us: "
          f"stair answers {run['times']:.1f} times as many", flush=True)
    return run


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", default=os.environ.get("BENCH_SIZES", "6700,63000"))
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--shops", default=os.path.join(ROOT, "build", "bench"))
    parser.add_argument("--beside", metavar="OTHER_STAIR")
    parser.add_argument("--beside-shops", default=os.path.join(ROOT, "build", "bench-beside"))
    parser.add_argument("--json")
    options = parser.parse_args()
    subprocess.run([os.path.join(ROOT, "tests", "support", "machine.sh")], check=True, cwd=ROOT)
    results = []
    for items in map(int, options.sizes.split(",")):
        if options.beside is not None:
            print(f"{items} items; wrk in turns: 1 thread on core {LAST_CORE}, {CONNECTIONS} connections")
            results.append(bench_beside(items, options))
            continue
        store, peer, users = make_shop(options.shops, items)
        print(f"{items} items x 64, {users} users; wrk: 1 thread on core {LAST_CORE}, {CONNECTIONS} connections")
        results.append(bench_stair(store, items, users, options))
        if not options.no_peer and items < 200000:
            results[-1]["peer"] = bench_peer(peer, users, options, results[-1]["recommend"])
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
