# SPDX-License-Identifier: Apache-2.0
"""The README's first command, and the calls that it prints."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402


class Demo(harness.TestCase):
    def test_make_demo_writes_a_shop_trains_in_half_a_minute_and_its_curl_lines_answer(self):
        child = subprocess.Popen(
            ["make", "--no-print-directory", "demo", "DEMO_DIR=" + self.path("demo"), "DEMO_LISTEN=127.0.0.1:0"],
            cwd=harness.ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=harness.ENVIRONMENT, start_new_session=True)
        seen, curls, started = [], [], {}
        try:
            for line in child.stdout:
                seen.append(line)
                if line.startswith("== "):
                    started[line.split()[1]] = time.monotonic()
                if line.startswith("curl "):
                    curls.append(line.strip())
                if line.startswith("Ctrl-C"):
                    break
            self.assertEqual(len(curls), 3, "".join(seen))
            self.assertLess(started["serve"] - started["train"], 30 if os.environ.get("CI_QUIET") else 90)
            for curl in curls:
                done = subprocess.run(shlex.split(curl), capture_output=True, text=True, timeout=30, check=True)
                answer = json.loads(done.stdout)
                self.assertEqual(len(answer["items"]), 5, curl)
                self.assertEqual(answer["model"], 1)
                self.assertTrue(all(hit.get("title") for hit in answer["items"]), answer)
            self.assertEqual(answer["items"][0]["item"], "my-first")
            self.assertIsNone(json.loads(subprocess.run(shlex.split(curls[0]), capture_output=True, text=True,
                                                        timeout=30, check=True).stdout)["fallback"])
        finally:
            os.killpg(child.pid, signal.SIGINT)
            child.wait(60)
            child.stdout.close()
        address = re.search(r"http://([0-9.:]+)/", "".join(curls)).group(1)
        self.assertEqual(harness.run("ping", "--listen", address, check=False).returncode, 1)
        self.assert_checked(self.path("demo", "store"))


if __name__ == "__main__":
    harness.main()
