#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What can go stale in the documents and be checked: links, the generated configuration table and
example file, environment paths, and files that grew too long."""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STAIR = os.path.join(ROOT, "build", "release", "stair")
problems = []


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "--", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for path in out.stdout.split("\n") if path]


def links():
    for path in tracked("*.md"):
        text = read(path)
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
            if not re.match(r"[a-z]+:", target) and not os.path.exists(os.path.join(ROOT, os.path.dirname(path), target)):
                problems.append(f"{path}: the link {target} leads nowhere")


def generated():
    """The configuration table of README.md and deploy/stair.conf.example come from the binary."""
    for path, flag in (("deploy/stair.conf.example", "--help-config"), ("README.md", "--help-markdown")):
        if not os.path.exists(STAIR):
            problems.append(f"{path} cannot be checked: {STAIR} is not built")
            continue
        made = subprocess.run([STAIR, flag], capture_output=True, text=True, check=False)
        if made.returncode != 0 or not made.stdout:
            problems.append(f"stair {flag}: exit status {made.returncode} {made.stderr}")
        elif made.stdout.strip() not in read(path):
            problems.append(f"{path} is not what `stair {flag}` prints: run `make documents`")


def sizes():
    for path in tracked("core/*", "storage/*", "api/*.[ch]", "server/*"):
        lines = read(path).count("\n")
        if lines > 1000:
            problems.append(f"{path}: {lines} lines; is there a second idea in it?")


def functions():
    """A function or file that ARCHITECTURE.md names is there."""
    source = "\n".join(read(path) for path in tracked("core/*", "storage/*", "api/*.[chS]", "server/*", "tests/support/*"))
    for name in set(re.findall(r"`([a-z]+(?:_[a-z0-9]+)+)`", read("ARCHITECTURE.md"))):
        if not re.search(rf"\b{name}\b", source):
            problems.append(f"ARCHITECTURE.md: there is no {name}")


def paths():
    """A path of the source that a document names is there."""
    known = set(tracked("*"))
    folders = {path[:at.start()] for path in known for at in re.finditer("/", path)}
    for document in tracked("*.md"):
        named = r"(?<![\w/.])((?:core|storage|api|server|tests|deploy)/[\w./-]*\w)(?![\w*{\[/-])"
        for path in set(re.findall(named, read(document))):
            stem = path in folders or path in known or any(path + end in known for end in (".h", ".c", ".py", ".sh"))
            if not stem:
                problems.append(f"{document}: there is no {path}")


links()
paths()
functions()
generated()
sizes()
for line in problems:
    print(line)
sys.exit(1 if problems else 0)
