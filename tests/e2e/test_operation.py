# SPDX-License-Identifier: Apache-2.0
"""Operation: snapshots, restarts, trainings beside a running server, generations and roll-back."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

WAIT_SECONDS = 240


def wait_for(what, condition):
    end = time.monotonic() + WAIT_SECONDS
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {WAIT_SECONDS} s for {what}")
        time.sleep(0.02)


class Operation(harness.TestCase):
    def test_a_snapshot_of_a_live_store_is_a_store(self):
        files, store = self.shop_store()
        users = list(harness.shop_users(files, 5))
        with harness.Server(store, "--snapshot-dir", self.path("snapshots")) as server:
            ask = server.client
            self.assertEqual(ask.put("/items/before", {"title": "before the snapshot"}).status, 201)
            self.assertEqual(ask.post("/snapshot", {"name": "nightly-1"}).status, 202)
            wait_for("the snapshot", lambda: ask.get("/snapshot/nightly-1").json.get("state") == "done")
            metrics = ask.get("/metrics").body.decode()
            made = float(re.search(r"^stair_snapshot_newest_timestamp_seconds (\S+)$", metrics, re.M).group(1))
            self.assertAlmostEqual(made, time.time(), delta=600)
            self.assertRegex(metrics, r"(?m)^stair_store_disk_free_bytes [1-9]")
            self.assert_problem(ask.post("/snapshot", {"name": "nightly-1"}), 409)
            self.assert_problem(ask.post("/snapshot", {"name": "../up"}), 400)
            lists = [ask.get("/recommend", {"user": u}).items for u in users]
            self.assertEqual(ask.put("/items/after", {"title": "after it"}).status, 201)
            harness.run("snapshot", "--store", store, "--to", self.path("by-command"))
        for copy, later in ((self.path("snapshots", "nightly-1"), 404), (self.path("by-command"), 200)):
            self.assert_checked(copy)
            with harness.Server(copy) as server:
                self.assertEqual(server.client.get("/items/before").status, 200)
                self.assertEqual(server.client.get("/items/after").status, later)
                self.assertEqual([server.client.get("/recommend", {"user": u}).items for u in users], lists)

    def test_snapshots_lie_in_the_stores_folder_unless_told_otherwise(self):
        _, store = self.shop_store()
        with harness.Server(store) as server:
            ask = server.client
            self.assertEqual(ask.post("/snapshot", {"name": "first"}).status, 202)
            wait_for("the snapshot", lambda: ask.get("/snapshot/first").json.get("state") == "done")
        self.assert_checked(os.path.join(store, "snapshots", "first"))
        self.assert_checked(store)

    def test_a_copy_is_known_after_a_restart_and_what_is_none_is_not(self):
        _, store = self.shop_store()
        before = {}
        with harness.Server(store) as server:
            ask = server.client
            for name in ("a.tmp", "a"):
                self.assertEqual(ask.post("/snapshot", {"name": name}).status, 202)
                before[name] = wait_for("the snapshot", lambda n=name: ask.get("/snapshot/" + n).json["state"] == "done"
                                        and ask.get("/snapshot/" + n).json)
        os.mkdir(os.path.join(store, "snapshots", "half"))
        with harness.Server(store) as server:
            for name, was in before.items():
                now = server.client.get("/snapshot/" + name).json
                self.assertEqual([now[part] for part in ("state", "bytes", "seq")],
                                 ["done", was["bytes"], was["seq"]])
            self.assert_problem(server.client.get("/snapshot/half"), 404)

    def test_an_empty_store_becomes_a_shop_by_the_api_alone(self):
        files, _ = harness.shop()
        with open(os.path.join(files, "items.jsonl"), encoding="utf-8") as f:
            items = [json.loads(line) for line in f]
        texts = features(os.path.join(files, "text.npy"))
        with harness.Server(self.path("empty")) as server:
            ask = server.client
            for item, row in zip(items, texts):
                item["features"] = {"text": row}
            self.assertEqual(ask.post("/items", {"items": items}).json["accepted"], len(items))
            entries = []
            with open(os.path.join(files, "interactions.inter"), encoding="utf-8") as f:
                for line in list(f)[1:]:
                    user, item, at = line.rstrip("\n").split("\t")
                    entries.append({"user": user, "item": item, "timestamp": int(float(at))})
            self.assertEqual(ask.post("/interactions", {"interactions": entries}).json["accepted"], len(entries))
            user = entries[0]["user"]
            self.assertEqual(ask.get("/recommend", {"user": user}).json["fallback"], "no_model")
            started = ask.post("/model/train", {"epochs": 4, "dim": 16, "activate": "yes"})
            self.assertEqual(started.status, 202, started.body)
            self.assert_problem(ask.post("/model/train", {"epochs": 1}), 409)
            wait_for("the first generation", lambda: ask.get("/recommend", {"user": user}).json["model"] == 1)
            answer = ask.get("/recommend", {"user": user, "k": 5}).json
            self.assertIsNone(answer["fallback"])
            self.assertEqual(len(answer["items"]), 5)
            done = wait_for("the training's end", lambda: ask.get("/model/train").json["state"] != "running" and
                            ask.get("/model/train").json)
            self.assertEqual(done["state"], "done")
        self.assert_checked(self.path("empty"))

    def test_a_training_that_the_services_own_environment_spoils_is_refused_and_not_started(self):
        _, store = self.shop_store()
        with harness.Server(store, env={"STAIR_GAMMA": "strong"}) as server:
            ask = server.client
            self.assert_problem(ask.post("/model/train", {"epochs": 1, "dim": 8}), 503)
            self.assertTrue(wait_for("the cause in the log", lambda: any(
                "gamma: expected a number from 0 to 100" in line for line in server.log)))
            idle = ask.get("/model/train").json
            self.assertEqual(idle["state"], "idle")
            for name in ("loss", "metric", "metric_value", "seconds_left"):
                self.assertIsNone(idle[name], name)
            started = ask.post("/model/train", {"epochs": 1, "dim": 8, "gamma": 0.3})
            self.assertEqual(started.status, 202, started.body)

    def test_a_training_beside_the_server_is_noticed_and_can_be_rolled_back(self):
        files, store = self.shop_store()
        user = next(iter(harness.shop_users(files, 1)))
        with harness.Server(store) as server:
            ask = server.client
            first = ask.get("/recommend", {"user": user}).json
            harness.run("train", "--store", store, "--epochs", 3, "--dim", 16, "--activate", "yes", "--seed", 5)
            wait_for("the new generation", lambda: ask.get("/model").json["model"] == first["model"] + 1)
            second = ask.get("/recommend", {"user": user}).json
            self.assertNotEqual([h["score"] for h in first["items"]], [h["score"] for h in second["items"]])
            bought = second["items"][0]["item"]
            ask.post("/interactions", {"interactions": [{"user": user, "item": bought}]})
            self.assertEqual(ask.post("/model/activate", {"generation": first["model"]}).status, 200)
            wait_for("the roll-back", lambda: ask.get("/model").json["model"] == first["model"])
            after = ask.get("/recommend", {"user": user}).json
            self.assertNotIn(bought, [h["item"] for h in after["items"]])
            self.assert_problem(ask.post("/model/activate", {"generation": 99}), 404)
            listed = ask.get("/model/generations").json["generations"]
            self.assertEqual(len(listed), 2)

    def test_a_refused_activation_stops_no_later_generation_from_becoming_active(self):
        _, store = self.shop_store()
        with harness.Server(store) as server:
            ask = server.client
            first = ask.get("/model").json["model"]
            self.assert_problem(ask.post("/model/activate", {"generation": first + 40}), 404)
            started = ask.post("/model/train", {"epochs": 1, "dim": 8, "activate": "yes"})
            self.assertEqual(started.status, 202, started.body)
            wait_for("the new generation", lambda: ask.get("/model").json["model"] == first + 1)
            self.assertTrue(ask.get("/model/train").json["activated"])

    def test_a_cancelled_training_leaves_the_model_alone(self):
        files, store = self.shop_store()
        with harness.Server(store) as server:
            ask = server.client
            before = ask.get("/model").json["model"]
            self.assertEqual(ask.post("/model/train", {"epochs": 5000, "dim": 32}).status, 202)
            wait_for("the first epoch", lambda: ask.get("/model/train").json["state"] == "running")
            children = subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True).stdout.split()
            self.assertEqual(len(children), 1)
            with open(f"/proc/{children[0]}/oom_score_adj", encoding="utf-8") as f:
                self.assertEqual(int(f.read()), 800)
            self.assertIn(ask.delete("/model/train").status, (200, 202))
            state = wait_for("the end", lambda: ask.get("/model/train").json["state"] != "running" and
                             ask.get("/model/train").json["state"])
            self.assertEqual(state, "cancelled")
            self.assertEqual(ask.get("/model").json["model"], before)
        self.assert_checked(store)
        del files

    def test_every_answered_list_is_counted_whichever_route_answers_it(self):
        files, store = self.shop_store()
        with harness.Server(store) as server:
            def counted():
                found = re.findall(r'^stair_recommend_answers_total{fallback="(\w+)"} (\d+)$',
                                   server.client.get("/metrics").body.decode(), re.M)
                return {reason: int(number) for reason, number in found}

            user = list(harness.shop_users(files, 1))[0]
            ask = [{"user": user}, {"user": "nobody"}, {"user": "nobody"}, {"user": "nobody", "strict": True}]
            entries = server.client.post("/recommend/batch", {"requests": ask}).json["results"]
            self.assertEqual(entries[3]["status"], 404)
            self.assertEqual(counted(), {"none": 1, "unknown_user": 2})
            item = server.client.get("/recommend", {"user": user}).items[0]
            for path, query in (("/similar", {"item": item}), ("/popular", {}), ("/latest", {})):
                self.assertEqual(server.client.get(path, query).status, 200)
            self.assertEqual(counted(), {"none": 5, "unknown_user": 2})
            self.assertEqual(server.client.get("/similar", {"item": "nothing"}).status, 404)
            self.assertEqual(counted(), {"none": 5, "unknown_user": 2})

    def test_a_store_from_elsewhere_serves_after_a_plain_copy(self):
        _, store = self.shop_store()
        shutil.copytree(store, self.path("restored"))
        with harness.Server(self.path("restored")) as server:
            self.assertEqual(server.client.get("/health/ready").status, 200)

    def test_a_polite_stop_answers_what_was_begun(self):
        _, store = self.shop_store()
        server = harness.Server(store)
        clients = [server.new_client() for _ in range(8)]
        for n, ask in enumerate(clients):
            self.assertEqual(ask.put(f"/items/stop-{n}", {"title": "x"}).status, 201)
        self.assertEqual(server.stop(), 0)
        with harness.Server(store) as again:
            for n in range(8):
                self.assertEqual(again.client.get(f"/items/stop-{n}").status, 200)


def features(path):
    """The rows of a .npy file as lists."""
    done = subprocess.run(["/usr/bin/python3", "-c", "import json,numpy,sys;print(json.dumps(numpy.load(sys.argv[1])"
                           ".astype(float).tolist()))", path], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    harness.main()
