#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No two source files call each other, directly or in a larger circle: `lint_circles.py BUILD_FOLDER`.

#include lines cannot show this, because two files may share a header. So this program reads the symbols of the object
files: a file needs another if it uses a function or object that only the other defines.
"""
import os
import subprocess
import sys

LAYERS = ("core", "storage", "api", "server")

def objects(build):
    """The object files, each with its source file without the ending."""
    for layer in LAYERS:
        for folder, _, names in os.walk(os.path.join(build, layer)):
            for name in names:
                path = os.path.join(folder, name)
                source = os.path.relpath(path, build)[:-2]
                if name.endswith(".o") and any(os.path.exists(source + end) for end in (".c", ".cpp")):
                    yield path, source


def symbols(build):
    """The source file that defines each name, and the names that each source file needs."""
    sources = dict(objects(build))
    defines, needs = {}, {source: set() for source in sources.values()}
    out = subprocess.run(["nm", "-A", *sources], capture_output=True, text=True, check=True)
    for line in out.stdout.splitlines():
        path, _, rest = line.partition(":")
        kind, symbol = rest.split()[-2:]
        if kind == "U":
            needs[sources[path]].add(symbol)
        elif kind.isupper() or kind == "i":
            defines[symbol] = sources[path]
    return defines, needs


def graph(build):
    defines, needs = symbols(build)
    edges = {source: {} for source in needs}
    for source, wanted in needs.items():
        for symbol in wanted:
            other = defines.get(symbol)
            if other is not None and other != source:
                edges[source].setdefault(other, []).append(symbol)
    return edges


def reachable(edges, start):
    seen, todo = set(), [start]
    while todo:
        for other in edges[todo.pop()]:
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return seen


def circles(edges):
    """The sets of files that can reach one another."""
    reach = {source: reachable(edges, source) for source in edges}
    found = {frozenset(other for other in reach[source] if source in reach[other]) for source in edges if source in reach[source]}
    return sorted((sorted(circle) for circle in found), key=lambda circle: (len(circle), circle))


def main():
    edges = graph(sys.argv[1])
    if len(edges) < 100:
        sys.exit(f"lint_circles: {sys.argv[1]} holds {len(edges)} object files: build first")
    bad = False
    for circle in circles(edges):
        bad = True
        print(f"these {len(circle)} files call each other in a circle: give what they share a file of its own")
        for source in circle:
            for other in sorted(set(edges[source]) & set(circle)):
                print(f"    {source} -> {other}: {', '.join(sorted(edges[source][other])[:4])}")
    sys.exit(bad)


if __name__ == "__main__":
    main()
