# SPDX-License-Identifier: Apache-2.0
"""The command line: help texts, and the messages for wrong use."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

COMMANDS = ("import", "train", "tune", "eval", "serve", "ping", "key", "migrate", "demo", "export", "snapshot",
            "generations", "check")


class CommandLine(harness.TestCase):
    def test_help_names_every_command_and_every_command_has_help(self):
        text = harness.run("--help").stdout
        for command in COMMANDS:
            self.assertIn(f" {command} ", text)
            self.assertIn("--", harness.run(command, "--help").stdout)
        self.assertRegex(harness.run("--version").stdout, r"^stair \d+\.\d+\.\d+")

    def test_an_unknown_flag_command_or_bad_value_stops_with_status_2_and_names_it(self):
        store = self.path("store")
        for arguments, named in ((["serve", "--store", store, "--wrong"], "--wrong"),
                                 (["dance"], "dance"),
                                 (["train", "--store", store, "--dim", "x"], "--dim"),
                                 (["train", "--store", store, "--layers", "-1"], "--layers"),
                                 (["train", "--store", store, "--gamma", "0x1"], "--gamma: expected a number"),
                                 (["train", "--store", store, "--neighbours", "text=1,image=2,text=9"],
                                  "--neighbours: text: given twice"),
                                 (["demo", "--out", store, "--users", "2", "--items", "50", "--interactions", "13"],
                                  "--interactions"),
                                 (["key", "new", "--keys", store, "--role", "read", "--name", "a b"], "--name"),
                                 (["serve"], "--store")):
            done = harness.run(*arguments, check=False)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(named, done.stderr)
            self.assertEqual(done.stdout, "")
        self.assertFalse(os.path.exists(store))

    def test_a_flag_beats_the_environment_and_that_beats_the_file(self):
        config = self.path("stair.conf")
        with open(config, "w", encoding="utf-8") as f:
            f.write("# a comment\nqueue_ops_max = many\n")
        store = self.path("store")
        bad = harness.run("serve", "--store", store, "--config", config, check=False)
        self.assertEqual(bad.returncode, 2)
        self.assertIn("stair.conf", bad.stderr)
        with open(config, "w", encoding="utf-8") as f:
            f.write("# a comment\nqueue_ops_max = 5\n")
        for arguments, env, value in (([], {}, 5), ([], {"STAIR_QUEUE_OPS_MAX": "6"}, 6),
                                      (["--queue-ops-max", "7"], {"STAIR_QUEUE_OPS_MAX": "6"}, 7)):
            with harness.Server(store, "--config", config, *arguments, env=env) as server:
                self.assertIn(f"name=queue_ops_max value={value} ", "".join(server.log).replace("queue-ops-max", "queue_ops_max"))
        with open(config, "a", encoding="utf-8") as f:
            f.write("unheard_of = 1\n")
        unknown = harness.run("serve", "--store", store, "--config", config, "--listen", "127.0.0.1:0", check=False)
        self.assertEqual(unknown.returncode, 2)
        self.assertIn("unheard_of", unknown.stderr)
        self.assertIn(":3", unknown.stderr)

    def test_an_unknown_environment_name_only_warns(self):
        with harness.Server(self.path("store"), env={"STAIR_SERVICE_HOST": "10.0.0.1"}) as server:
            self.assertEqual(server.client.get("/health/live").status, 200)
            self.assertIn("STAIR_SERVICE_HOST", "".join(server.log))

    def test_json_from_the_environment_is_for_the_commands_that_have_such_an_answer(self):
        _, store = self.shop_store()
        lines = harness.run("export", "items", "--store", store, env={"STAIR_JSON": "1"}).stdout
        self.assertEqual(len(lines.splitlines()), 300)
        asked = harness.run("export", "items", "--store", store, "--json", check=False)
        self.assertEqual(asked.returncode, 2)
        self.assertIn("--json", asked.stderr)

    def test_a_store_that_is_not_there_is_said_in_one_line(self):
        done = harness.run("check", "--store", self.path("nowhere"), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        self.assertIn("nowhere", done.stderr)


if __name__ == "__main__":
    harness.main()
