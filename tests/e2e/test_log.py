# SPDX-License-Identifier: Apache-2.0
"""A log that nobody reads: the service continues, counts the dropped lines, reports them later, and can stop."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

DEADLINE = 30
F_SETPIPE_SZ = 1031
REQUESTS = 9000  # they write more lines than the pipe and the queue hold


class Log(harness.TestCase):
    def start(self):
        reading, writing = os.pipe()
        fcntl.fcntl(writing, F_SETPIPE_SZ, 4096)
        process = subprocess.Popen([harness.STAIR, "serve", "--store", self.path("store"), "--listen", "127.0.0.1:0"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writing,
                                   env=harness.ENVIRONMENT)
        os.close(writing)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        text = b""
        while b"event=listening" not in text:
            text += os.read(reading, 1)
        while not text.endswith(b"\n"):
            text += os.read(reading, 1)
        address = re.search(r"event=listening .*?address=(\S+)", text.decode()).group(1)
        return process, reading, harness.Client(address)

    def test_without_a_reader_requests_are_answered_and_the_end_comes(self):
        process, reading, client = self.start()
        for _ in range(REQUESTS):
            self.assertEqual(client.get("/health/live", headers={"X-Request-Id": "r" * 64}, contract_check=False).status, 200)
        dropped = re.search(r"^stair_log_lines_dropped_total (\d+)$", client.get("/metrics").body.decode(), re.M)
        self.assertGreater(int(dropped.group(1)), 0)
        client.close()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(DEADLINE), 0)
        os.close(reading)

    def test_when_it_is_read_again_a_line_says_how_much_is_missing(self):
        process, reading, client = self.start()
        for _ in range(REQUESTS):
            client.get("/health/live", headers={"X-Request-Id": "r" * 64}, contract_check=False)
        lines = []

        def read():
            with os.fdopen(reading, encoding="utf-8") as f:
                lines.extend(f)
        reader = threading.Thread(target=read)
        reader.start()
        end = time.monotonic() + DEADLINE
        while not any("event=log_dropped" in line for line in lines) and time.monotonic() < end:
            self.assertEqual(client.get("/health/live").status, 200)
        client.close()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(DEADLINE), 0)
        reader.join()
        missing = sum(int(n) for line in lines for n in re.findall(r"event=log_dropped lines=(\d+)", line))
        asked = sum("route=/health/live" in line for line in lines)
        self.assertGreater(missing, 0)
        self.assertGreaterEqual(asked + missing, REQUESTS)
        self.assertTrue(all(line.startswith("time=") and line.endswith("\n") for line in lines))
        self.assertIn("event=stopped", lines[-1])


if __name__ == "__main__":
    harness.main()
