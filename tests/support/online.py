# SPDX-License-Identifier: Apache-2.0
"""Online equals offline: the lists of a server are those of `stair eval`."""

import json
import os

import harness


def masks(interactions):
    """{user: items with split 0 or 1} is what eval leaves out for the test split; None when the file
    has no split column: then the store's export says it."""
    seen = {}
    for line in interactions.splitlines():
        entry = json.loads(line)
        if entry.get("split", "train") in ("train", "valid", 0, 1):
            seen.setdefault(entry["user"], set()).add(entry["item"])
    return seen


def same_list(offline, online, scores):
    """True when both hold the same items in the same order, but for neighbours whose scores are
    equal to 1e-5 of their size."""
    if len(offline) != len(online):
        return False
    for place, (a, b) in enumerate(zip(offline, online)):
        if a == b:
            continue
        if a not in scores or b not in scores:
            if place < len(offline) - 1:
                return False
            # at the end of the list one of a tied pair may just have fallen off
            continue
        if abs(scores[a] - scores[b]) > 1e-5 * max(abs(scores[a]), abs(scores[b])):
            return False
    return True


def compare(test, store, files, k, users_max):
    """Asks the server for the users of eval's lists; gives how many were compared."""
    del files
    lists = test.path("lists.jsonl")
    harness.run("eval", "--store", store, "--topk", lists)
    seen = masks(harness.export(store, "interactions"))
    with open(lists, encoding="utf-8") as f:
        offline = [json.loads(line) for line in f][:users_max]
    os.remove(lists)
    with harness.Server(store) as server:
        for entry in offline:
            masked = seen.get(entry["user"], set())
            want = min(1000, k + len(masked))
            answer = server.client.get("/recommend", {"user": entry["user"], "k": want, "include_seen": "true"})
            test.assertEqual(answer.status, 200)
            hits = [h for h in answer.json["items"] if h["item"] not in masked][:k]
            scores = {h["item"]: h["score"] for h in answer.json["items"]}
            test.assertTrue(same_list(entry["items"][:k], [h["item"] for h in hits], scores),
                            f"user {entry['user']}:\n{entry['items'][:k]}\n{[h['item'] for h in hits]}")
    return len(offline)
