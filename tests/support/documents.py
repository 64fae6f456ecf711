#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Write the parts of the documents that the binary knows best.

    documents.py                  configuration: README.md's table and deploy/stair.conf.example
    documents.py --calls ADDRESS  also the answers of README.md's ten calls, from a running demo shop
"""

import json
import os
import re
import shlex
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STAIR = os.path.join(ROOT, "build", "release", "stair")
CALL = re.compile(r"```sh\n(curl [^\n]*)\n```\n```json\n(.*?)```", re.S)


def path(name):
    return os.path.join(ROOT, name)


def read(name):
    with open(path(name), encoding="utf-8") as f:
        return f.read()


def write(name, text):
    with open(path(name), "w", encoding="utf-8") as f:
        f.write(text)


def printed(flag):
    return subprocess.run([STAIR, flag], capture_output=True, text=True, check=True).stdout.strip() + "\n"


def calls(text):
    """[(shell line, answer as it stands)] of the README."""
    return CALL.findall(text)


def recorded(text, address):
    def again(found):
        line = found.group(1).replace("127.0.0.1:8080", address)
        answer = subprocess.run(shlex.split(line), capture_output=True, text=True, check=True).stdout
        return f"```sh\n{found.group(1)}\n```\n```json\n{json.dumps(json.loads(answer), ensure_ascii=False)}\n```"
    return CALL.sub(again, text)


def main():
    write("deploy/stair.conf.example", printed("--help-config"))
    text = read("README.md")
    begin, end = "<!-- configuration: written by `make documents` -->\n", "<!-- end of configuration -->"
    head, rest = text.split(begin)
    text = head + begin + "\n" + printed("--help-markdown") + "\n" + end + rest.split(end)[1]
    if sys.argv[1:2] == ["--calls"]:
        text = recorded(text, sys.argv[2])
    write("README.md", text)


if __name__ == "__main__":
    main()
