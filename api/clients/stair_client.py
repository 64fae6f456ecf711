# SPDX-License-Identifier: Apache-2.0
"""A client of the stair HTTP API in one file: Python 3.9 or later, nothing but the standard library.

    shop = Stair("http://127.0.0.1:8080", key="...")
    shop.interact([{"user": "u1", "item": "sku-7"}])
    for hit in shop.recommend("u1", k=5)["items"]:
        print(hit["item"], hit["score"])

Every call returns the decoded answer, or raises Problem with the service's explanation. Reads are
repeated after a broken connection, 429 and 503. Writes carry an Idempotency-Key, so a repeated
write is applied only once. A Stair keeps one connection: use one object per thread.
"""

from __future__ import annotations

import http.client
import json
import random
import ssl
import time
import urllib.parse
import uuid
from typing import Any, Iterable, Iterator, Mapping, Optional

Json = Mapping[str, Any]
Answer = dict[str, Any]


class Problem(Exception):
    """What the service refused: `status`, `detail`, and `errors` that name each field."""

    def __init__(self, status: int, document: Json):
        self.status = status
        self.document = document
        self.detail = str(document.get("detail") or document.get("title") or "no reason given")
        self.errors = list(document.get("errors", []))
        places = "; ".join(f"{e.get('pointer', '')}: {e.get('detail', '')}" for e in self.errors)
        super().__init__(f"{status}: {self.detail}" + (f" ({places})" if places else ""))


class Stair:
    def __init__(self, url: str, key: Optional[str] = None, timeout: float = 10.0, tries: int = 4,
                 tls: Optional[ssl.SSLContext] = None):
        """`tries` is the largest number of attempts for a call; `timeout` is for one attempt, in seconds."""
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"expected http://HOST:PORT or https://HOST:PORT, not {url!r}")
        self._parts, self._prefix = parts, parts.path.rstrip("/")
        self._key, self._timeout, self._tries, self._tls = key, timeout, max(1, tries), tls
        self._connection: Optional[http.client.HTTPConnection] = None

    def __enter__(self) -> "Stair":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # --- lists

    def recommend(self, user: Optional[str] = None, *, k: int = 10, items: Optional[Iterable[Json]] = None,
                  **options: Any) -> Answer:
        """The best `k` items for a user, a session of `items`, or both. Options as in POST /recommend:
        exclude_items, filter, balance, diversity, explain, fields, include_seen, offset, text, min_seq."""
        body: dict[str, Any] = {"k": k, **options}
        if user is not None:
            body["user"] = user
        if items is not None:
            body["items"] = list(items)
        return self._call("POST", "/recommend", body=body, repeatable=True)

    def recommend_batch(self, requests: Iterable[Json]) -> Answer:
        return self._call("POST", "/recommend/batch", body={"requests": list(requests)}, repeatable=True)

    def similar(self, item: str, *, k: int = 10, **options: Any) -> Answer:
        return self._call("GET", "/similar", query={"item": item, "k": k, **options})

    def popular(self, *, k: int = 10, **options: Any) -> Answer:
        return self._call("GET", "/popular", query={"k": k, **options})

    def latest(self, *, k: int = 10, **options: Any) -> Answer:
        return self._call("GET", "/latest", query={"k": k, **options})

    # --- the catalogue

    def put_items(self, items: Iterable[Json]) -> Answer:
        """Creates or replaces up to 1,000 items; `results` of the answer names what was refused."""
        return self._call("PUT", "/items", body={"items": list(items)}, repeatable=True)

    def create_items(self, items: Iterable[Json]) -> Answer:
        return self._call("POST", "/items", body={"items": list(items)})

    def patch_items(self, items: Iterable[Json]) -> Answer:
        return self._call("PATCH", "/items", body={"items": list(items)}, repeatable=True,
                          content_type="application/merge-patch+json")

    def delete_items(self, ids: Iterable[str]) -> Answer:
        return self._call("POST", "/items/delete", body={"ids": list(ids)})

    def item(self, item: str, **options: Any) -> Answer:
        return self._call("GET", "/items/" + _segment(item), query=options)

    def items(self, *, limit: int = 100, **options: Any) -> Iterator[Answer]:
        """Every item, page by page."""
        cursor: Optional[str] = None
        while True:
            page = self._call("GET", "/items", query={"limit": limit, "cursor": cursor, **options})
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    # --- users and what they do

    def interact(self, interactions: Iterable[Json], *, unknown_items: Optional[str] = None) -> Answer:
        body: dict[str, Any] = {"interactions": list(interactions)}
        if unknown_items is not None:
            body["unknown_items"] = unknown_items
        return self._call("POST", "/interactions", body=body)

    def remove_interactions(self, user: str, item: str, type: Optional[str] = None) -> Answer:
        return self._call("DELETE", "/interactions", query={"user": user, "item": item, "type": type})

    def user(self, user: str) -> Answer:
        return self._call("GET", "/users/" + _segment(user))

    def erase_user(self, user: str) -> Answer:
        return self._call("DELETE", "/users/" + _segment(user))

    # --- operation

    def health(self) -> Answer:
        return self._call("GET", "/health")

    def model(self) -> Answer:
        return self._call("GET", "/model")

    def train(self, **options: Any) -> Answer:
        return self._call("POST", "/model/train", body=options)

    def activate(self, generation: int) -> Answer:
        return self._call("POST", "/model/activate", body={"generation": generation})

    def prune(self, keep: int) -> Answer:
        return self._call("POST", "/model/prune", body={"keep": keep})

    # --- the calls themselves

    def _call(self, method: str, path: str, *, query: Optional[Json] = None, body: Optional[Json] = None,
              repeatable: Optional[bool] = None, content_type: str = "application/json") -> Answer:
        target = self._prefix + path + _query(query or {})
        headers = {"Accept": "application/json"}
        if self._key:
            headers["Authorization"] = "Bearer " + self._key
        data = None
        if body is not None:
            data = json.dumps(body, allow_nan=False).encode()
            headers["Content-Type"] = content_type
        repeatable = method == "GET" if repeatable is None else repeatable
        if method == "POST" and not repeatable:
            headers["Idempotency-Key"] = str(uuid.uuid4())
            repeatable = True
        for attempt in range(1, self._tries + 1):
            last = attempt == self._tries
            try:
                status, answer, wait = self._once(method, target, data, headers)
            except (OSError, http.client.HTTPException):
                self.close()
                if last or not repeatable:
                    raise
                time.sleep(_pause(attempt, None))
                continue
            if status < 400:
                return answer
            # A request with 429 was not carried out, one with 503 may have been. So only calls that may be
            # repeated are tried again.
            if last or not (status == 429 or (status == 503 and repeatable)):
                raise Problem(status, answer)
            time.sleep(_pause(attempt, wait))
        raise AssertionError("not reached")

    def _once(self, method: str, target: str, data: Optional[bytes],
              headers: Mapping[str, str]) -> tuple[int, Answer, Optional[float]]:
        if self._connection is None:
            kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
            more = {"context": self._tls} if self._parts.scheme == "https" and self._tls else {}
            self._connection = kind(str(self._parts.hostname), self._parts.port, timeout=self._timeout, **more)
        self._connection.request(method, target, body=data, headers=dict(headers))
        response = self._connection.getresponse()
        text = response.read()
        after = response.getheader("Retry-After", "")
        try:
            answer = json.loads(text) if text else {}
        except ValueError:
            answer = {"detail": text[:200].decode("utf-8", "replace")}
        return response.status, answer, float(after) if after.isdigit() else None


def _segment(id: str) -> str:
    return urllib.parse.quote(id, safe="")


def _query(parameters: Json) -> str:
    pairs = []
    for name, value in parameters.items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if one is not None:
                pairs.append((name, str(one).lower() if isinstance(one, bool) else str(one)))
    return "?" + urllib.parse.urlencode(pairs, quote_via=urllib.parse.quote) if pairs else ""


def _pause(attempt: int, wait: Optional[float]) -> float:
    """Seconds to wait before the next try: what the service asks for, or else a growing random delay."""
    return wait if wait is not None else min(5.0, 0.1 * 2 ** attempt) * (0.5 + random.random() / 2)
