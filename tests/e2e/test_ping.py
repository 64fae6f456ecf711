# SPDX-License-Identifier: Apache-2.0
"""stair ping: its time-out covers the whole call, however the other side behaves."""

import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402


class Ping(harness.TestCase):
    def peer(self, interval):
        """A listener that sends one byte every `interval` seconds, or none, until the peer closes."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def answer():
            try:
                with listener.accept()[0] as connection:
                    while interval is not None:
                        connection.sendall(b"H")
                        time.sleep(interval)
                    while connection.recv(4096):
                        pass
            except OSError:
                pass

        threading.Thread(target=answer, daemon=True).start()
        return "127.0.0.1:%d" % listener.getsockname()[1]

    def test_a_peer_that_drips_or_is_silent_is_given_up_in_time(self):
        for interval, secure in ((0.1, False), (None, False), (None, True)):
            more = ["--tls-certificate", "any"] if secure else []
            done = harness.run("ping", "--listen", self.peer(interval), "--timeout", "1", *more, check=False, timeout=60)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


if __name__ == "__main__":
    harness.main()
