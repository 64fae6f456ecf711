#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints a service of compose.yaml as arguments of `buildah run`, one a line:

    compose.py SERVICE VOLUMES [-v FROM:TO:ro]... [COMMAND...]

VOLUMES is the folder of the named volumes. A COMMAND replaces the service's own, as with `compose run`."""

import os
import sys

import yaml

DEPLOY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy")


def mounts(document, service, volumes):
    for volume in service.get("volumes", []):
        source, rest = volume.split(":", 1)
        yield f"{os.path.join(volumes, source) if source in document['volumes'] else os.path.join(DEPLOY, source)}:{rest}"
    for name in service.get("secrets", []):
        yield f"{os.path.abspath(os.path.join(DEPLOY, document['secrets'][name]['file']))}:/run/secrets/{name}:ro"


def main():
    name, volumes, *rest = sys.argv[1:]
    with open(os.path.join(DEPLOY, "compose.yaml"), encoding="utf-8") as f:
        document = yaml.safe_load(f)
    service = document["services"][name]
    options = [f"--env={key}={value}" for key, value in service.get("environment", {}).items()]
    options += [f"--volume={mount}" for mount in mounts(document, service, volumes)]
    options += [f"--mount=type=tmpfs,destination={place}" for place in service.get("tmpfs", [])]
    options += [f"--cap-drop={capability}" for capability in service.get("cap_drop", [])]
    while rest[:1] == ["-v"]:
        options.append(f"--volume={rest[1]}")
        rest = rest[2:]
    print("\n".join([*options, "CONTAINER", "--", "stair", *(rest or service.get("command", ["serve"]))]))


main()
