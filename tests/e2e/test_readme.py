# SPDX-License-Identifier: Apache-2.0
"""The commands of README.md do what it says."""

import json
import os
import re
import shlex
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import documents  # noqa: E402
import harness  # noqa: E402


def shape(value):
    """Members and types of a document, without its values; of a list, only its first entry. A member that may be null
    counts as a scalar."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "scalar"


class Readme(harness.TestCase):
    def test_its_five_calls_answer_as_it_shows(self):
        _, store = self.shop_store()
        calls = documents.calls(documents.read("README.md"))
        self.assertEqual(len(calls), 5)
        with harness.Server(store) as server:
            for line, shown in calls:
                command = shlex.split(line.replace("127.0.0.1:8080", server.address))
                got = subprocess.run(command + ["-w", "\n%{http_code}"], capture_output=True, text=True, timeout=30,
                                     check=True).stdout
                body, status = got.rsplit("\n", 1)
                self.assertIn(int(status), (200, 201), line + body)
                answer, example = json.loads(body), json.loads(shown)
                self.assertEqual(shape(answer).keys(), shape(example).keys(), line + body)
                for name in answer.keys() & {"k", "model", "seq", "view", "fallback", "exact", "by", "accepted"}:
                    self.assertEqual(answer[name], example[name], f"{line}{name}")

    def test_its_commands_for_own_data_work(self):
        files, _ = harness.shop()
        block = re.search(r"```sh\n(stair import.*?)```", documents.read("README.md"), re.S).group(1)
        for line in block.strip().splitlines():
            words = shlex.split(line)
            if words[1] == "serve":
                with harness.Server(self.path("shop")) as server:
                    self.assertEqual(server.client.get("/recommend", {"user": "user-0"}).json["model"], 1)
                continue
            words = [w if not os.path.exists(os.path.join(files, w.split("=")[-1])) else
                     w.replace(w.split("=")[-1], os.path.join(files, w.split("=")[-1])) for w in words]
            if words[1] == "train":
                words += ["--epochs", "2", "--dim", "16"]
            done = subprocess.run([harness.STAIR] + words[1:], cwd=self.dir, capture_output=True, text=True, timeout=300,
                                  env=harness.ENVIRONMENT)
            self.assertEqual(done.returncode, 0, line + done.stderr)


if __name__ == "__main__":
    harness.main()
