# SPDX-License-Identifier: Apache-2.0
"""Compares the lists of a server with those of `stair eval --served`: they must be equal."""

import json
import os

import harness


def same_list(offline, online, scores):
    """True if both hold the same items in the same order. Neighbours may change places if their scores are
    equal to 1e-5 of their size."""
    if len(offline) != len(online):
        return False
    for place, (a, b) in enumerate(zip(offline, online)):
        if a == b:
            continue
        if a not in scores or b not in scores:
            if place < len(offline) - 1:
                return False
            # At the end of the list, only one item of a tied pair may be listed.
            continue
        if abs(scores[a] - scores[b]) > 1e-5 * max(abs(scores[a]), abs(scores[b])):
            return False
    return True


def compare(test, store, k, users_max):
    """Asks the server for the lists of the first users of `eval --served`; returns how many were compared."""
    lists = test.path("lists.jsonl")
    harness.run("eval", "--store", store, "--served", "--at", k, "--topk", lists)
    with open(lists, encoding="utf-8") as f:
        offline = [json.loads(line) for line in f][:users_max]
    os.remove(lists)
    with harness.Server(store) as server:
        for entry in offline:
            answer = server.client.get("/recommend", {"user": entry["user"], "k": k})
            test.assertEqual(answer.status, 200)
            scores = {h["item"]: h["score"] for h in answer.json["items"]}
            test.assertTrue(same_list(entry["items"], answer.items, scores),
                            f"user {entry['user']}:\n{entry['items']}\n{answer.items}")
    return len(offline)
