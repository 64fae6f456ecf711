# SPDX-License-Identifier: Apache-2.0
"""What `stair serve` tells the supervisor that started it (sd_notify), over a real datagram socket."""

import os
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

PATIENCE = 60


class Supervised:
    """A service and its supervisor's socket. A message is a dictionary of its assignments."""

    def __init__(self, name, store, *arguments, env=None):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        self.socket.settimeout(PATIENCE)
        command = [harness.STAIR, "serve", "--store", store, "--listen", "127.0.0.1:0", *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True,
                                        env={**harness.ENVIRONMENT, "NOTIFY_SOCKET": name, **(env or {})})

    def next(self):
        return dict(line.split("=", 1) for line in self.socket.recv(65536).decode().split("\n"))

    def until(self, name):
        """Returns the first message that has this assignment, and those before it."""
        before, end = [], time.monotonic() + PATIENCE
        while time.monotonic() < end:
            message = self.next()
            if name in message:
                return message, before
            before.append(message)
        raise AssertionError(f"no {name} among {before}")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self.socket.close()


class Supervisor(harness.TestCase):
    def story(self, name):
        _, store = self.shop_store()
        with open(self.path("keys"), "w", encoding="ascii"):
            pass
        os.chmod(self.path("keys"), 0o600)
        with Supervised(name, store, "--keys", self.path("keys")) as service:
            ready, before = service.until("READY")
            address = ready["STATUS"].rsplit(" ", 1)[1]
            # After READY the service answers at once.
            self.assertEqual(harness.Client(address).get("/health/ready").status, 200)
            self.assertTrue(any("300 items, 400 users" in m["STATUS"] for m in before), before)
            service.process.send_signal(signal.SIGHUP)
            reloading = service.next()
            self.assertEqual(reloading["RELOADING"], "1")
            now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            self.assertTrue(0 <= now - int(reloading["MONOTONIC_USEC"]) < PATIENCE * 1000000)
            self.assertEqual(service.next()["READY"], "1")
            service.process.send_signal(signal.SIGTERM)
            self.assertEqual(service.next()["STOPPING"], "1")
            self.assertEqual(service.process.wait(PATIENCE), 0)
            service.socket.setblocking(False)
            self.assertRaises(BlockingIOError, service.next)

    def test_it_is_ready_when_it_answers_reloads_and_stops(self):
        self.story(self.path("notify"))

    def test_an_abstract_socket_hears_the_same(self):
        self.story("@" + self.path("notify"))

    def test_a_reload_that_fails_ends_ready_and_says_what_stays(self):
        with open(self.path("keys"), "w", encoding="ascii"):
            pass
        os.chmod(self.path("keys"), 0o600)
        with Supervised(self.path("notify"), self.path("store"), "--keys", self.path("keys")) as service:
            service.until("READY")
            os.remove(self.path("keys"))
            service.process.send_signal(signal.SIGHUP)
            ready, before = service.until("READY")
            self.assertIn("RELOADING", before[0])
            self.assertIn("the old ones stay", ready["STATUS"])

    def test_signs_of_life_come_as_often_as_asked_for_also_while_it_drains(self):
        env = {"WATCHDOG_USEC": "400000"}
        with Supervised(self.path("notify"), self.path("store"), "--drain-delay", "1", env=env) as service:
            service.until("READY")
            began = time.monotonic()
            for _ in range(5):
                service.until("WATCHDOG")
            self.assertLess(time.monotonic() - began, PATIENCE)
            service.process.send_signal(signal.SIGTERM)
            service.until("STOPPING")
            service.until("WATCHDOG")
            service.until("WATCHDOG")
            self.assertEqual(service.process.wait(PATIENCE), 0)

    def test_without_a_watchdog_there_are_no_signs_and_one_that_is_for_another_process_is_none(self):
        env = {"WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"}
        with Supervised(self.path("notify"), self.path("store"), env=env) as service:
            service.until("READY")
            service.socket.settimeout(0.5)
            self.assertRaises(TimeoutError, service.next)

    def test_a_start_that_fails_says_why_and_is_never_ready(self):
        with open(self.path("file"), "w", encoding="ascii"):
            pass
        with Supervised(self.path("notify"), self.path("file")) as service:
            self.assertEqual(service.process.wait(PATIENCE), 1)
            service.socket.setblocking(False)
            messages = []
            try:
                while True:
                    messages.append(service.next())
            except BlockingIOError:
                pass
            self.assertFalse(any("READY" in m for m in messages), messages)
            self.assertIn("file", messages[-1]["STATUS"])


if __name__ == "__main__":
    harness.main()
