# SPDX-License-Identifier: Apache-2.0
"""The seq and the content of an answer belong to the same write, and a connection never gets an older answer."""

import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

SECONDS = 60 if os.environ.get("TORTURE") else 4


class Seq(harness.TestCase):
    def test_reads_of_store_and_tables_beside_writes_are_of_one_write(self):
        files, store = self.shop_store()
        user = next(iter(harness.shop_users(files, 1)))
        changes, faults, stop = [], [], threading.Event()

        def write(server):
            client, there = server.new_client(), False
            while not stop.is_set():
                answer = (client.delete("/items/here") if there else
                          client.post("/items", {"id": "here", "title": "t"}))
                there = not there
                changes.append((answer.json["seq"], there))

        def bother(server, number):
            client = server.new_client()
            while not stop.is_set():
                client.post("/interactions", {"user": f"n{number}", "item": "item-1", "type": "view"},
                            contract_check=False)

        seen = []

        def read(server):
            client, newest, before = server.new_client(), 0, ""
            targets = ("/items/here", f"/users/{user}", "/latest?k=1&fields=title", "/items?limit=1",
                       f"/recommend?user={user}&k=1", f"/users/{user}/interactions?limit=1", "/model")
            while not stop.is_set():
                for target in targets:
                    answer = client.get(target, contract_check=False)
                    if answer.status not in (200, 404):
                        faults.append((target, answer.status, answer.body))
                        continue
                    seq = answer.json.get("seq")
                    if seq is None:
                        continue
                    if seq < newest:
                        faults.append((target, seq, "after", newest, before))
                    newest, before = seq, target
                    if target == "/items/here":
                        seen.append((seq, True))
                    if target.startswith("/latest"):
                        hits = answer.json["items"]
                        seen.append((seq, bool(hits) and hits[0]["item"] == "here"))
                        if hits and hits[0]["item"] == "here" and "title" not in hits[0]:
                            faults.append((target, seq, "listed without what the store holds"))

        with harness.Server(store) as server:
            threads = [threading.Thread(target=write, args=(server,))]
            threads += [threading.Thread(target=bother, args=(server, n)) for n in range(2)]
            threads += [threading.Thread(target=read, args=(server,)) for _ in range(3)]
            for thread in threads:
                thread.start()
            time.sleep(SECONDS)
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(faults[:5], [], f"{len(faults)} faults of {len(seen)}")
        self.assertGreater(len(seen), 100)
        changes.sort()
        numbers = [seq for seq, _ in changes]
        import bisect
        for seq, there in seen:
            at = bisect.bisect_right(numbers, seq) - 1
            expected = at >= 0 and changes[at][1]
            if seq <= numbers[-1]:
                self.assertEqual(there, expected, (seq, changes[at] if at >= 0 else None))


if __name__ == "__main__":
    harness.main()
