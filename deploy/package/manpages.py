#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the man pages from the help texts: manpages.py STAIR FOLDER.

stair(1) has the overview, stair-COMMAND(1) each command, stair.conf(5) the settings of the service.
"""
import os
import re
import subprocess
import sys


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout or done.stderr


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    # A list that is as long as a line may break after its colons.
    text = re.sub(r"\S{40,}", lambda word: word[0].replace(":", ":\\:"), text)
    return "\\&" + text if text.startswith((".", "'")) else text


def page(name, section, version, description, body):
    # Left-aligned: release 1.23 of groff takes it from AD, those before from the request.
    title = f'.ds AD l\n.TH {name.upper().replace("-", chr(92) + "-")} {section} "" "stair {version}" "stair"\n.ad l\n'
    return title + f".SH NAME\n{roff(name)} \\- {roff(description)}\n" + body


def options(lines):
    """The option blocks of a help text: a name and its help, with continuation lines."""
    out, seen = [], False
    for line in lines:
        head = re.match(r"  (--\S+(?: \S+)?)(?:\s{2,}(.*))?$", line)
        if head:
            out.append(f".TP\n.B {roff(head[1])}\n" + (roff(head[2]) + "\n" if head[2] else ""))
            seen = True
        elif line.startswith("      ") and seen:
            out.append(roff(line.strip()) + "\n")
        elif line.strip():
            out.append((".PP\n" if not line.startswith(" ") else "") + roff(line.strip()) + "\n.br\n")
            seen = False
    return "".join(out)


SEE = """.SH EXIT STATUS
0 done, 1 failed (one line says what), 2 wrong use, 130 interrupted before the end.
.SH SEE ALSO
.BR stair (1),
.BR stair.conf (5)
"""


def main():
    stair, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    version = run(stair, "--version").split()[1]
    text = run(stair, "--help")
    commands = re.findall(r"^  ([a-z]+)  +(.*)$", text, re.M)
    body = ".SH SYNOPSIS\n.B stair\n.I COMMAND\n[options]\n.SH COMMANDS\n"
    for name, what in commands:
        body += f".TP\n.BR stair\\-{name} (1)\n{roff(what)}\n"
    tail = text[text.index("stair COMMAND --help"):]
    body += ".SH OPTIONS\n" + "".join(roff(line.strip()) + "\n" for line in tail.splitlines() if line.strip())
    pages = {"stair.1": page("stair", 1, version, "online recommendations from interactions and features", body)}
    for name, what in commands:
        lines = run(stair, name, "--help").splitlines()
        lines = lines[next(i for i, line in enumerate(lines) if line.startswith("usage:")) + 1:]
        body = f".SH SYNOPSIS\n.B stair {name}\n[options]\n.SH OPTIONS\n" + options(lines) + SEE
        pages[f"stair-{name}.1"] = page(f"stair-{name}", 1, version, what, body)
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "..", "stair.conf.example"), encoding="utf-8") as f:
        example = f.read()
    body = ".SH DESCRIPTION\nEach line is a key and a value; a line that starts with # is a comment.\n.SH SETTINGS\n"
    for block in re.split(r"\n\n+", example)[1:]:
        lines = [line.lstrip("# ").rstrip() for line in block.strip().splitlines()]
        if lines:
            body += f".TP\n.B {roff(lines[-1])}\n" + "".join(roff(line) + "\n" for line in lines[:-1])
    pages["stair.conf.5"] = page("stair.conf", 5, version, "settings of stair serve", body)
    for name, content in pages.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(content)


main()
