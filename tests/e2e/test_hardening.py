# SPDX-License-Identifier: Apache-2.0
"""Protections that the compiler and the linker put into the binary, and the protocol versions that HTTPS offers."""

import glob
import os
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402


class Hardening(harness.TestCase):
    def read(self, *arguments):
        return subprocess.run(["readelf", "-W", *arguments, harness.STAIR], check=True, capture_output=True, text=True).stdout

    def test_the_binary_is_position_independent_and_its_tables_are_read_only(self):
        self.assertRegex(self.read("-h"), r"Type:\s+DYN")
        self.assertRegex(self.read("-l"), r"GNU_RELRO")
        self.assertRegex(self.read("-l"), r"GNU_STACK.* RW ")
        self.assertRegex(self.read("-d"), r"BIND_NOW|Flags:.* NOW")

    def test_every_layer_checks_stacks_and_buffers(self):
        folder = os.path.dirname(harness.STAIR)
        for layer in ("core", "storage", "api", "server"):
            objects = glob.glob(os.path.join(folder, layer, "**", "*.o"), recursive=True)
            symbols = subprocess.run(["nm", "-A", "-u", *objects], check=True, capture_output=True, text=True).stdout
            guarded = {line.split(":")[0] for line in symbols.splitlines() if line.endswith("__stack_chk_fail")}
            self.assertGreater(len(guarded), len(objects) / 4, layer)
            self.assertRegex(symbols, "__(snprintf|memcpy)_chk")

    def test_https_offers_tls_1_2_and_1_3_with_forward_secrecy_alone(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.path("k"), "-out",
                        self.path("c"), "-days", "2", "-subj", "/CN=localhost"], check=True, capture_output=True)
        tls = ["--tls-certificate", self.path("c"), "--tls-key", self.path("k")]

        def shakes(server, *arguments):
            done = subprocess.run(["openssl", "s_client", "-connect", server.address, *arguments], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=30)
            return "Cipher is (NONE)" not in done.stdout and done.returncode == 0

        with harness.Server(self.path("store"), *tls, tls=ssl._create_unverified_context()) as server:
            self.assertTrue(shakes(server, "-tls1_3"))
            self.assertTrue(shakes(server, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"))
            for refused in (("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), ("-tls1", "-cipher", "ALL:@SECLEVEL=0"),
                            ("-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA"), ("-tls1_2", "-cipher", "ECDHE-RSA-AES256-SHA384"),
                            ("-tls1_2", "-cipher", "AES128-GCM-SHA256"), ("-tls1_2", "-cipher", "AES128-SHA")):
                self.assertFalse(shakes(server, *refused), refused)
        with harness.Server(self.path("store"), *tls, "--tls-priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3",
                            tls=ssl._create_unverified_context()) as server:
            self.assertTrue(shakes(server, "-tls1_3"))
            self.assertFalse(shakes(server, "-tls1_2"))


if __name__ == "__main__":
    harness.main()
