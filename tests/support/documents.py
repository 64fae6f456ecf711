#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the documents that are generated from the binary: docs/cli.md, docs/configuration.md, docs/metrics.md and
deploy/stair.conf.example.

    documents.py                  write them
    documents.py --check          say which of them differ
    documents.py --calls ADDRESS  also write the answers of README.md's calls, from a running demo shop
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STAIR = os.path.join(ROOT, "build", "release", "stair")
CALL = re.compile(r"```sh\n(curl [^\n]*)\n```\n```json\n(.*?)```", re.S)
NOTE = "<!-- Written by `make documents`: do not edit. -->\n\n"


def path(name):
    return os.path.join(ROOT, name)


def read(name):
    with open(path(name), encoding="utf-8") as f:
        return f.read()


def write(name, text):
    with open(path(name), "w", encoding="utf-8") as f:
        f.write(text)


def printed(*arguments):
    return subprocess.run([STAIR, *arguments], capture_output=True, text=True, check=True).stdout.strip() + "\n"


def calls(text):
    """[(shell line, answer as printed)] of the README."""
    return CALL.findall(text)


def recorded(text, address):
    def again(found):
        line = found.group(1).replace("127.0.0.1:8080", address)
        answer = subprocess.run(shlex.split(line), capture_output=True, text=True, check=True).stdout
        return f"```sh\n{found.group(1)}\n```\n```json\n{json.dumps(json.loads(answer), ensure_ascii=False)}\n```"
    return CALL.sub(again, text)


def cli():
    overview = printed("--help")
    out = "# The command line\n\n" + NOTE + f"```\n{overview}```\n"
    for name in re.findall(r"^  ([a-z]+)  +", overview, re.M):
        help_text = printed(name, "--help")
        if name == "serve":
            help_text = help_text[:help_text.index("\n\n")] + "\n\nIts options are in [configuration.md](configuration.md).\n"
            out += f"\n## stair serve\n\n{help_text}"
        else:
            out += f"\n## stair {name}\n\n```\n{help_text}```\n"
    return out


def configuration():
    return ("# Configuration of the service\n\n" + NOTE +
            "The settings of `stair serve`. A flag (`--admin-listen`) beats the environment, the environment beats the file that\n"
            "`--config` names (`admin_listen = ...`), and the file beats the default. An empty environment variable counts as not\n"
            "set. An unknown key or a bad value stops the start and names the place. `deploy/stair.conf.example` has every key.\n\n" +
            printed("--help-markdown"))


ENCODER = ["--encoder-url", "http://127.0.0.1:9/v1/embeddings", "--encoder-model", "none"]


def metrics_text(*options):
    """The answer of /metrics on an empty store, with the address of a missing encoder."""
    server = subprocess.Popen([STAIR, "serve", *options, *ENCODER, "--listen", "127.0.0.1:0"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        for line in server.stderr:
            found = re.search(r"event=listening.* address=(\S+)", line)
            if found:
                # The metrics of requests appear with the first request.
                urllib.request.urlopen(f"http://{found[1]}/popular", timeout=30).read()
                return urllib.request.urlopen(f"http://{found[1]}/metrics", timeout=30).read().decode()
        raise SystemExit("documents: the service did not start")
    finally:
        server.terminate()
        server.wait(30)
        server.stderr.close()


def metric_rows(text):
    """The rows of the document, one for each metric in this answer."""
    rows = []
    for name, meaning in re.findall(r"^# HELP (\S+) (.*)$", text, re.M):
        kind = re.search(rf"^# TYPE {name} (\S+)$", text, re.M)[1]
        labels = set()
        for sample in re.findall(rf"^{name}(?:_count)?\{{(.*)\}} ", text, re.M):
            labels |= set(re.findall(r'(\w+)="', sample))
        shown = ", ".join(f"`{label}`" for label in sorted(labels - {"le"}))
        rows.append(f"| `{name}` | {kind} | {shown} | {meaning} |\n")
    return rows


def cluster_rows(folder):
    """The rows of the metrics that only a node of a cluster has. A NATS server is downloaded if needed. --check keeps the rows that
    are there: the cluster's tests compare them with a node's."""
    if "--check" in sys.argv:
        return re.findall(r"^\| `stair_cluster_.*\n", read("docs/metrics.md"), re.M)
    import nats
    if nats.program() is None:
        raise SystemExit("documents: no nats-server, so no metrics of a cluster")
    with nats.Servers(1, os.path.join(folder, "nats")) as servers:
        options = ["--store", os.path.join(folder, "store"), "--cluster", servers.urls]
        subprocess.run([STAIR, "cluster", "init", *options, *ENCODER, "--cluster-replicas", "1"], check=True,
                       stdout=subprocess.DEVNULL)
        return [row for row in metric_rows(metrics_text(*options)) if "`stair_cluster_" in row]


def metrics():
    with tempfile.TemporaryDirectory(prefix="stair-documents-") as folder:
        rows = metric_rows(metrics_text("--store", os.path.join(folder, "store"))) + cluster_rows(folder)
    out = ("# Metrics\n\n" + NOTE + "`GET /metrics` answers them in Prometheus' text format. What to do when one goes wrong is in\n"
           "[operations.md](operations.md). Times are in seconds, sizes in bytes. Only a node of a\n"
           "[cluster](cluster.md) has `stair_cluster_*`.\n\n| metric | kind | labels | meaning |\n| --- | --- | --- | --- |\n")
    return out + "".join(sorted(rows))


GENERATED = {
    "docs/cli.md": cli,
    "docs/configuration.md": configuration,
    "docs/metrics.md": metrics,
    "deploy/stair.conf.example": lambda: printed("--help-config"),
}


def main():
    if sys.argv[1:2] == ["--check"]:
        stale = [name for name, make in GENERATED.items() if not os.path.exists(path(name)) or read(name) != make()]
        for name in stale:
            print(f"{name} is not what the binary says: run `make documents`")
        sys.exit(1 if stale else 0)
    for name, make in GENERATED.items():
        write(name, make())
    if sys.argv[1:2] == ["--calls"]:
        write("README.md", recorded(read("README.md"), sys.argv[2]))


if __name__ == "__main__":
    main()
