#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that openapi.yaml is a valid document, and names exactly the routes of the binary."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import contract  # noqa: E402

problems = []


def walk(node, place, doc):
    if isinstance(node, dict):
        if "$ref" in node:
            try:
                doc.resolve(node)
            except (KeyError, TypeError):
                problems.append(f"{place}: {node['$ref']} leads nowhere")
        for key, value in node.items():
            walk(value, f"{place}/{key}", doc)
    elif isinstance(node, list):
        for n, value in enumerate(node):
            walk(value, f"{place}/{n}", doc)


def check_operation(doc, template, method, operation, shared):
    where = f"{method.upper()} {template}"
    for need in ("operationId", "summary", "responses"):
        if need not in operation:
            problems.append(f"{where}: no {need}")
    named = {p["name"] for p in map(doc.resolve, operation.get("parameters", []) + shared) if p["in"] == "path"}
    if named != set(re.findall(r"\{([^}]*)\}", template)):
        problems.append(f"{where}: path parameters {sorted(named)} are not those of the template")
    if not any(str(status)[0] in "23" for status in operation.get("responses", {})):
        problems.append(f"{where}: no status of success")
    for status, response in operation.get("responses", {}).items():
        if not isinstance(status, str):
            problems.append(f"{where}: status {status} is not quoted")
        if "description" not in doc.resolve(response):
            problems.append(f"{where}: {status} has no description")
        for media, content in doc.resolve(response).get("content", {}).items():
            if "schema" not in content:
                problems.append(f"{where}: {status} {media} has no schema")


def main():
    doc = contract.Contract(os.path.join(contract.ROOT, "openapi.yaml"))
    if not str(doc.document.get("openapi", "")).startswith("3.1"):
        problems.append(f"openapi is {doc.document.get('openapi')!r}, not 3.1")
    walk(doc.document, "#", doc)
    described, ids = set(), set()
    for template, operations in doc.document["paths"].items():
        for method, operation in operations.items():
            if method not in contract.METHODS:
                continue
            described.add((method.upper(), template))
            check_operation(doc, template, method, operation, operations.get("parameters", []))
            if operation.get("operationId") in ids:
                problems.append(f"{template}: operationId {operation['operationId']} twice")
            ids.add(operation.get("operationId"))
    for name, schema in doc.document.get("components", {}).get("schemas", {}).items():
        try:
            contract.jsonschema.Draft202012Validator.check_schema(schema)
        except contract.jsonschema.SchemaError as error:
            problems.append(f"components/schemas/{name}: {error.message}")

    built = routes()
    for method, template in sorted(built - described):
        problems.append(f"{method} {template} is served, but openapi.yaml does not have it")
    for method, template in sorted(described - built):
        problems.append(f"{method} {template} is in openapi.yaml, but is not served")
    for line in problems:
        print(line)
    return 1 if problems else 0


def routes():
    """The route table as api/route.c spells it: {"GET", "/items/{id}", ...}."""
    with open(os.path.join(contract.ROOT, "api", "route.c"), encoding="utf-8") as f:
        found = re.findall(r'\{\s*"?(GET|PUT|POST|PATCH|DELETE)"?\s*,\s*"(/[^"]*)"', f.read())
    if not found:
        problems.append("api/route.c: no route found")
    return set(found)


sys.exit(main())
