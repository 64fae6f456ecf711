#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Finds what is stale in documents and comments: links, sections, generated documents, and names of files
and functions. It also finds documents and files that are too long."""

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


def anchors(path):
    """The sections of a document, as links name them."""
    out = set()
    for title in re.findall(r"^#+ +(.*)$", re.sub(r"```.*?```", "", read(path), flags=re.S), re.M):
        out.add(re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-"))
    return out


def links():
    for path in tracked("*.md"):
        for target, section in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?[^)]*\)", read(path)):
            if re.match(r"[a-z]+:", target):
                continue
            there = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
            if not os.path.exists(os.path.join(ROOT, there)):
                problems.append(f"{path}: the link {target} leads nowhere")
            elif section and there.endswith(".md") and section not in anchors(there):
                problems.append(f"{path}: {there} has no section #{section}")


def licences():
    """Checks that every source file names its licence in its first three lines."""
    for path in tracked("*.c", "*.h", "*.def", "*.cpp", "*.S", "*.py", "*.sh", "*.js", "*.mjs", "*.css", "*.yml", "*.yaml",
                        "deploy/*.service", "deploy/*.timer", "deploy/**/*.conf", "deploy/**/*.cfg", "Makefile",
                        "Dockerfile", ".ci/run"):
        if "SPDX-License-Identifier: Apache-2.0" not in "".join(read(path).splitlines(True)[:3]):
            problems.append(f"{path}: no line SPDX-License-Identifier: Apache-2.0 at its head")


def sources():
    """The files that contain comments: code, scripts and deployment files."""
    return [path for path in tracked("core/*", "storage/*", "api/*", "server/*", "deploy/*", "tests/*.c", "tests/*.h", "tests/*.py",
                                     "tests/*.sh", "Makefile", "Dockerfile", ".ci/run")
            if not path.startswith("tests/fixtures/") and not path.endswith((".png", ".npy", ".md"))]


def named_in_comments():
    """Checks that documents and sections named in source code, scripts and deployment files exist."""
    for path in sources():
        for document, section in re.findall(r"\b((?:docs/)?[\w/-]+\.md)\b(?:, (?:section )?\"([^\"]+)\")?", read(path)):
            if document.startswith("_") or path.startswith(("tests/support/", "tests/e2e/")):
                continue
            if not os.path.exists(os.path.join(ROOT, document)) and not os.path.exists(os.path.join(ROOT, os.path.dirname(path), document)):
                problems.append(f"{path}: names {document}, which is not there")
            elif section and os.path.exists(os.path.join(ROOT, document)) and not re.search(rf"^#+ +{re.escape(section)}|\*\*{re.escape(section)}", read(document), re.M):
                problems.append(f"{path}: {document} has no section {section}")


def generated():
    """Checks that generated documents are up to date."""
    if not os.path.exists(STAIR):
        problems.append(f"the generated documents cannot be checked: {STAIR} is not built")
        return
    done = subprocess.run([sys.executable, os.path.join(ROOT, "tests", "support", "documents.py"), "--check"],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        problems.append((done.stdout + done.stderr).strip())


def sizes():
    for path in tracked("core/*", "storage/*", "api/*.[ch]", "server/*"):
        lines = read(path).count("\n")
        if lines > 1000:
            problems.append(f"{path}: {lines} lines; is there a second idea in it?")
    if read("README.md").count("\n") > 150:
        problems.append("README.md: more than 150 lines; move details to docs/")
    if len(read("ARCHITECTURE.md").encode()) > 20000:
        problems.append("ARCHITECTURE.md: more than 20 kB; move details to docs/")


def functions():
    """Checks that functions and files named in ARCHITECTURE.md exist."""
    source = "\n".join(read(path) for path in tracked("core/*", "storage/*", "api/*.[chS]", "server/*", "tests/support/*"))
    for name in set(re.findall(r"`([a-z]+(?:_[a-z0-9]+)+)`", read("ARCHITECTURE.md"))):
        if not re.search(rf"\b{name}\b", source):
            problems.append(f"ARCHITECTURE.md: there is no {name}")


def comments(path):
    """The comments of a source file, joined."""
    kind = r"/\*.*?\*/" if path.endswith((".c", ".h", ".cpp", ".def", ".S")) else r"(?m:#.*$)|\"\"\".*?\"\"\""
    return "\n".join(re.findall(kind, read(path), re.S))


def paths():
    """Checks that paths named in documents and in sources exist, and that comments name existing source files. A part
    of a path in capitals, such as NAME.c, stands for any name."""
    known = set(tracked("*"))
    folders = {path[:at.start()] for path in known for at in re.finditer("/", path)}
    files = {os.path.basename(path) for path in known}
    named = r"(?<![\w/.])((?:core|storage|api|server|tests|deploy)/[\w./-]*\w)(?!\.?[\w*{\[/$%@\\-])"
    for place in tracked("*.md") + sources():
        for path in set(re.findall(named, read(place))):
            stem = path in folders or path in known or any(path + end in known for end in (".h", ".c", ".py", ".sh"))
            if not stem and not re.search(r"/([a-z_]*_)?[A-Z]+\b", path):
                problems.append(f"{place}: there is no {path}")
    for place in sources():
        for name in set(re.findall(r"(?<![\w/.<$%*-])([a-z][\w-]*\.(?:c|h|cpp|py|sh))\b", comments(place))):
            if name not in files:
                problems.append(f"{place}: a comment names {name}, which is not there")


def events():
    """Checks that the run-book explains every event that is logged as a warning or an error, and no others."""
    logged = r"log_event\([^;\"]*LOG_(?:WARN|ERROR)[^;\"]*\"(\w+)\"|log_format\([^;\"]*LOG_WARN, \"(\w+)\"|log_write\(level, \"(\w+)\""
    found = {name for path in tracked("server/*.c") for names in re.findall(logged, read(path)) for name in names if name}
    section = re.search(r"^## Log events$(.*?)^## ", read("docs/operations.md"), re.M | re.S)
    told = {name for row in re.findall(r"^\| (`.*?) \|", section.group(1), re.M) for name in re.findall(r"`(\w+)`", row)}
    problems.extend(f"docs/operations.md: \"Log events\" lacks {name}" for name in sorted(found - told))
    problems.extend(f"docs/operations.md: no warning or error has the event {name}" for name in sorted(told - found))


links()
named_in_comments()
events()
paths()
functions()
generated()
licences()
sizes()
for line in problems:
    print(line)
sys.exit(1 if problems else 0)
