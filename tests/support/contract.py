# SPDX-License-Identifier: Apache-2.0
"""Compares answers with openapi.yaml: route, method, status, headers, media type and body."""

import json
import os
import re
import urllib.parse

import jsonschema
import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
METHODS = ("get", "put", "post", "patch", "delete", "head", "options")


class Contract:
    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            self.document = yaml.load(f, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        self.templates = []
        for template, operations in self.document["paths"].items():
            pattern = re.compile("^" + re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template)) + "$")
            self.templates.append((template.count("{"), pattern, template, operations))
        self.templates.sort(key=lambda entry: entry[0])  # a fixed path before one with parameters
        self.resolver = jsonschema.RefResolver("", self.document)
        self.validators = {}
        self.seen = set()

    def resolve(self, node):
        while isinstance(node, dict) and "$ref" in node:
            target = self.document
            for part in node["$ref"].lstrip("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = target
        return node

    def find(self, path):
        for _, pattern, template, operations in self.templates:
            if pattern.match(path):
                return template, operations
        return None, None

    def response(self, template, operations, method, status):
        operation = operations.get(method.lower())
        if operation is None:
            return None
        responses = operation["responses"]
        found = responses.get(str(status)) or responses.get(f"{str(status)[0]}XX") or responses.get("default")
        return self.resolve(found)

    def validate(self, schema, value, where):
        key = json.dumps(schema, sort_keys=True)
        if key not in self.validators:
            self.validators[key] = jsonschema.Draft202012Validator(schema, resolver=self.resolver)
        for error in self.validators[key].iter_errors(value):
            place = "/".join(map(str, error.absolute_path))
            raise AssertionError(f"{where}: not as openapi.yaml says at /{place}: {error.message}")

    def check(self, method, target, answer):
        where = f"{method} {target.split('?')[0][:120]} -> {answer.status}"
        if not answer.headers.get("X-Request-Id"):
            raise AssertionError(f"{where}: no X-Request-Id")
        template, operations = self.find(urllib.parse.urlsplit(target).path)
        asked, method = method, "GET" if method == "HEAD" else method
        media = (answer.headers.get("Content-Type") or "").split(";")[0].strip()
        if template is None or method.lower() not in operations:
            if answer.status < 400:
                raise AssertionError(f"{where}: an answer of a route that openapi.yaml does not have")
            self.problem(answer, media, where)
            return
        described = self.response(template, operations, method, answer.status)
        if described is None:
            raise AssertionError(f"{where}: openapi.yaml has no such status for {template}")
        self.seen.add((template, method.lower(), answer.status))
        for name, header in described.get("headers", {}).items():
            if self.resolve(header).get("required") and answer.headers.get(name) is None:
                raise AssertionError(f"{where}: no header {name}")
        content = described.get("content")
        if not content:
            if answer.body and asked != "HEAD":
                raise AssertionError(f"{where}: a body where openapi.yaml has none")
            return
        if asked == "HEAD":
            return
        if media not in content:
            raise AssertionError(f"{where}: media type {media!r}, not one of {sorted(content)}")
        schema = content[media].get("schema")
        if schema is None:
            return
        if media.endswith("ndjson"):
            for line in answer.body.splitlines():
                self.validate(schema, json.loads(line), where)
        elif media.endswith("json"):
            self.validate(schema, json.loads(answer.body), where)

    def problem(self, answer, media, where):
        if media != "application/problem+json":
            raise AssertionError(f"{where}: media type {media!r}, not application/problem+json")
        document = json.loads(answer.body)
        for name in ("type", "title", "status", "detail", "request_id"):
            if name not in document:
                raise AssertionError(f"{where}: the problem has no {name}")


_contract = None


def load():
    global _contract
    if _contract is None:
        _contract = Contract(os.path.join(ROOT, "openapi.yaml"))
    return _contract


def check(method, target, answer):
    load().check(method, target, answer)
