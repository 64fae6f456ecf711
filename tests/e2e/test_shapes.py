# SPDX-License-Identifier: Apache-2.0
"""Requests in every legal and illegal shape, sent byte by byte over a socket, and the answer to each."""

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402

H = b"Host: localhost\r\n"
END = b"Connection: close\r\n\r\n"
GET = b"GET /health/live HTTP/1.1\r\n"
POST = b"POST /items HTTP/1.1\r\n" + H + b"Content-Type: application/json\r\n"
# A second request, hidden behind a body whose length can be read in two ways. If the service carries it out, the
# item exists.
SMUGGLED = b"POST /items HTTP/1.1\r\n" + H + b"Content-Type: application/json\r\nContent-Length: 17\r\n\r\n{\"id\":\"smuggled\"}"
ITEM = b'{"id":"taken"}'

CHUNKS = POST + b"Transfer-Encoding: chunked\r\n" + END
OPEN = POST + b"Transfer-Encoding: chunked\r\n\r\n"
LONG = b"a" * 40000

# Each entry: a name, the bytes, and the status of the only answer. NONE: the connection is closed without an
# answer. A tuple lists the possible statuses where versions of the HTTP library differ.
NONE = 0
SHAPES = [
    ("as usual", GET + H + END, 200),
    ("HTTP/1.0", b"GET /health/live HTTP/1.0\r\n\r\n", 200),
    ("no Host", GET + END, 400),
    ("two Hosts", GET + H + H + END, 400),
    ("a space in the Host", GET + b"Host: local host\r\n" + END, 400),
    ("a NUL in the Host", GET + b"Host: localhost\0.example\r\n" + END, 400),
    ("spaces around the Host", GET + b"Host: \t localhost \t\r\n" + END, 200),
    ("a space before the colon", GET + H + b"X : y\r\n" + END, 400),
    ("a tab before the colon", GET + H + b"X\t: y\r\n" + END, 400),
    ("a space in a name", GET + H + b"X Y: z\r\n" + END, 400),
    ("a slash in a name", GET + H + b"X/Y: z\r\n" + END, 400),
    ("a byte beyond ASCII in a name", GET + H + b"X\xe9: z\r\n" + END, 400),
    ("an empty name", GET + H + b": z\r\n" + END, 400),
    ("every byte of a token", GET + H + b"aZ09!#$%&'*+-.^_`|~: z\r\n" + END, 200),
    ("an empty value", GET + H + b"X:\r\n" + END, 200),
    ("no space after the colon", GET + b"Host:localhost\r\nX:y\r\n" + END, 200),
    ("a folded line", GET + H + b"X: a\r\n b\r\n" + END, 400),
    ("a line folded with a tab", GET + H + b"X: a\r\n\tb\r\n" + END, 400),
    ("a folded line of two folds", GET + H + b"X: a\r\n b\r\n c\r\n" + END, 400),
    ("a fold of nothing", GET + H + b"X: a\r\n \r\n" + END, 400),
    ("a bare CR in a value", GET + H + b"X: a\rb\r\n" + END, 400),
    ("a bare CR before a name", GET + H + b"X: a\rContent-Length: 5\r\n" + END, 400),
    ("a bare LF after a value", GET + H + b"X: a\n" + END, 400),
    ("a bare LF after the request line", b"GET /health/live HTTP/1.1\n" + H + END, 400),
    ("a NUL in a value", GET + H + b"X: a\0b\r\n" + END, 400),
    ("a NUL at the end of a value", GET + H + b"X: a\0\r\n" + END, 400),
    ("a NUL at the end of the last value", GET + H + b"Connection: close\r\nX: a\0\r\n\r\n", 400),
    ("a bell in a value", GET + H + b"X: a\x07b\r\n" + END, 400),
    ("a DEL in a value", GET + H + b"X: a\x7fb\r\n" + END, 400),
    ("a tab in a value", GET + H + b"X: a\tb\r\n" + END, 200),
    ("bytes beyond ASCII in a value", GET + H + b"X: \xc3\xa9\r\n" + END, 200),
    ("a NUL in the target", b"GET /health/live\0x HTTP/1.1\r\n" + H + END, (400, NONE)),
    ("a bell in the target", b"GET /health/\x07live HTTP/1.1\r\n" + H + END, 400),
    ("a target without a slash", b"GET health/live HTTP/1.1\r\n" + H + END, 400),
    ("a target of a star", b"GET * HTTP/1.1\r\n" + H + END, 400),
    ("HTTP/1.2", b"GET /health/live HTTP/1.2\r\n" + H + END, 400),
    ("no version", b"GET /health/live\r\n" + H + END, 400),
    ("a length of another word", POST + b"Content-Length: ten\r\n" + END + ITEM, 400),
    ("a negative length", POST + b"Content-Length: -1\r\n" + END + ITEM, 400),
    ("a length with a sign", POST + b"Content-Length: +14\r\n" + END + ITEM, 400),
    ("a hexadecimal length", POST + b"Content-Length: 0xe\r\n" + END + ITEM, 400),
    ("a length with a NUL", POST + b"Content-Length: 14\0\r\n" + END + ITEM, 400),
    ("a length with a NUL in the last line", POST + b"Connection: close\r\nContent-Length: 14\0\r\n\r\n" + ITEM, 400),
    ("two lengths", POST + b"Content-Length: 14\r\nContent-Length: 14\r\n" + END + ITEM, 400),
    ("a list of lengths", POST + b"Content-Length: 14, 14\r\n" + END + ITEM, 400),
    ("an empty length", POST + b"Content-Length:\r\n" + END + ITEM, 400),
    ("a space before a length's colon", POST + b"Content-Length : 14\r\n\r\n" + SMUGGLED, 400),
    ("a folded length", POST + b"Content-Length:\r\n 14\r\n\r\n" + SMUGGLED, 400),
    ("a length behind a bare CR", POST + b"X: y\rContent-Length: 14\r\n\r\n" + SMUGGLED, 400),
    ("a length behind a bare LF", POST + b"X: y\nContent-Length: 14\r\n\r\n" + SMUGGLED, 400),
    ("a length and chunks", POST + b"Content-Length: 14\r\nTransfer-Encoding: chunked\r\n" + END + ITEM, 400),
    ("chunks", POST + b"Transfer-Encoding: chunked\r\n" + END + b"c\r\n{\"id\":\"cut\"}\r\n0\r\n\r\n", 201),
    ("chunks in capitals", POST + b"TRANSFER-ENCODING: CHUNKED\r\n" + END + b"d\r\n{\"id\":\"cut2\"}\r\n0\r\n\r\n", 201),
    ("chunks twice", POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" + END + b"0\r\n\r\n", 400),
    ("chunks of something", POST + b"Transfer-Encoding: identity, chunked\r\n" + END + b"0\r\n\r\n", 400),
    ("chunks and something", POST + b"Transfer-Encoding: chunked, gzip\r\n" + END + b"0\r\n\r\n", 400),
    ("chunks with a space behind", POST + b"Transfer-Encoding: chunked \r\n" + END + b"0\r\n\r\n", 400),
    ("identity", POST + b"Transfer-Encoding: identity\r\n" + END + ITEM, 400),
    ("an unknown encoding", POST + b"Transfer-Encoding: xchunked\r\n" + END + b"0\r\n\r\n", 400),
    ("an encoding of nothing", POST + b"Transfer-Encoding:\r\n" + END + b"0\r\n\r\n", 400),
    ("chunks in HTTP/1.0", b"POST /items HTTP/1.0\r\n" + H + b"Content-Type: application/json\r\n"
     b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    # The HTTP library itself refuses these and those of Content-Length, and closes the connection.
    ("a length of HTTP/1.0", b"POST /items HTTP/1.0\r\nContent-Length: ten\r\n\r\n" + ITEM, 400),
    ("a length beyond 64 bits", POST + b"Content-Length: 18446744073709551616\r\n" + END, 413),
    ("the largest length of 64 bits", POST + b"Content-Length: 18446744073709551615\r\n" + END, (400, 413)),
    ("a chunk of no length", CHUNKS + b"zz\r\n{}\r\n0\r\n\r\n", 400),
    ("a chunk of a negative length", CHUNKS + b"-1\r\n{}\r\n0\r\n\r\n", 400),
    ("a chunk beyond 64 bits", CHUNKS + b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n", 413),
    ("a chunk that is longer than it says", CHUNKS + b"2\r\n{}xx0\r\n\r\n", 400),
    ("a chunk with a long extension", CHUNKS + b"2;" + LONG + b"\r\n{}\r\n0\r\n\r\n", (400, 413)),
    ("a space before a chunk's length", CHUNKS + b" 2\r\n{}\r\n0\r\n\r\n", 400),
    ("a space behind a chunk's length", CHUNKS + b"2 \r\n{}\r\n0\r\n\r\n", 400),
    ("a hexadecimal sign before a chunk's length", CHUNKS + b"0x2\r\n{}\r\n0\r\n\r\n", 400),
    ("a sign before a chunk's length", CHUNKS + b"+2\r\n{}\r\n0\r\n\r\n", 400),
    ("a chunk without a length", CHUNKS + b"\r\n{}\r\n0\r\n\r\n", 400),
    ("a bare CR behind a chunk's length", CHUNKS + b"2\r{}\r\n0\r\n\r\n", 400),
    ("two CRs behind a chunk's length", CHUNKS + b"2\r\r\n{}\r\n0\r\n\r\n", 400),
    ("a bare LF in a chunk's extension", CHUNKS + b"2;a\nb\r\n{}\r\n0\r\n\r\n", 400),
    ("a trailer without a colon", CHUNKS + b"2\r\n[]\r\n0\r\nnothing\r\n\r\n", 400),
    # Version 0.9 of the library accepts these, version 1.0 does not. With both, the body is not a valid item.
    ("a bare LF behind a chunk's length", CHUNKS + b"2\n[]\r\n0\r\n\r\n", 400),
    ("a bare LF behind a chunk", CHUNKS + b"2\r\n[]\n0\r\n\r\n", 400),
    ("a chunk's extension", CHUNKS + b"2;a=b\r\n[]\r\n0\r\n\r\n", 400),
    # The same, but here the item is created. No further request may follow on the connection.
    ("a bare LF behind the last chunk's extension", OPEN + b"d\r\n{\"id\":\"cut4\"}\r\n0;x\n\r\n" + SMUGGLED, (201, 400)),
    ("a bare LF behind a trailer", OPEN + b"d\r\n{\"id\":\"cut5\"}\r\n0\r\nX: a\n\n" + SMUGGLED, (201, 400)),
    ("bare LFs behind the last chunk", OPEN + b"d\r\n{\"id\":\"cut6\"}\r\n0\n\n" + SMUGGLED, (201, 400)),
    ("two Content-Types", b"POST /items HTTP/1.1\r\n" + H + b"Content-Type: text/plain\r\nContent-Type: application/json\r\n"
     b"Content-Length: 14\r\n" + END + ITEM, 400),
    ("two Idempotency-Keys", POST + b"Idempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: 14\r\n" + END + ITEM, 400),
    ("two Origins, ours last", POST + b"Origin: http://evil.example\r\nOrigin: http://localhost\r\nContent-Length: 14\r\n"
     + END + ITEM, 400),
    ("two Sec-Fetch-Sites, ours last", b"GET /popular HTTP/1.1\r\n" + H + b"Sec-Fetch-Site: cross-site\r\n"
     b"Sec-Fetch-Site: same-origin\r\n" + END, 400),
    ("two keys", b"GET /popular HTTP/1.1\r\n" + H + b"X-API-Key: a\r\nX-API-Key: b\r\n" + END, 400),
    ("two Authorizations", b"GET /popular HTTP/1.1\r\n" + H + b"Authorization: Bearer a\r\nauthorization: Bearer b\r\n" + END, 400),
    ("the same min_seq twice", b"GET /popular HTTP/1.1\r\n" + H + b"X-Stair-Min-Seq: 0\r\nX-Stair-Min-Seq: 0\r\n" + END, 200),
    # trailers are read and ignored
    ("a trailer", CHUNKS + b"d\r\n{\"id\":\"cut3\"}\r\n0\r\nContent-Length: 5\r\nHost: evil.example\r\n\r\n", 201),
    ("a long trailer", CHUNKS + b"2\r\n{}\r\n0\r\nX: " + LONG + b"\r\n\r\n", 431),
    ("a long target", b"GET /" + LONG + b" HTTP/1.1\r\n" + H + END, 414),
    ("a long method", LONG + b" / HTTP/1.1\r\n" + H + END, (414, NONE)),
    ("a long value", GET + H + b"X: " + LONG + b"\r\n" + END, 431),
    ("a long name", GET + H + LONG + b": x\r\n" + END, 431),
    ("many lines", GET + H + b"".join(b"X%d: y\r\n" % n for n in range(3000)) + END, 431),
    ("a line without a colon", GET + H + b"nothing\r\n" + END, 400),
    ("HTTP/2.0", b"GET /health/live HTTP/2.0\r\n" + H + END, 400),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ("HTTP/0.9", b"GET /health/live HTTP/0.9\r\n" + H + END, 400),
    ("HTTP/1.10", b"GET /health/live HTTP/1.10\r\n" + H + END, 400),
    ("another protocol", b"GET /health/live XTTP/1.1\r\n" + H + END, 400),
    ("a version in small letters", b"GET /health/live http/1.1\r\n" + H + END, 400),
    ("two spaces in the request line", b"GET  /health/live  HTTP/1.1\r\n" + H + END, 400),
    ("a space before the first line", b"GET /health/live HTTP/1.1\r\n X: y\r\n" + H + END, 400),
    ("tabs in the request line", b"GET\t/health/live\tHTTP/1.1\r\n" + H + END, NONE),
    ("a word", b"hello\r\n\r\n", NONE),
    ("the start of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 40 + b"\r\n\r\n", NONE),
    ("a page of another origin", POST + b"Origin: http://shop.example\r\nContent-Length: 14\r\n" + END + ITEM, 403),
    ("a page of no origin", POST + b"Origin: null\r\nContent-Length: 14\r\n" + END + ITEM, 403),
    ("a page of another port", POST + b"Origin: http://localhost:1\r\nContent-Length: 14\r\n" + END + ITEM, 403),
    ("a link of another site", b"GET /popular HTTP/1.1\r\n" + H + b"Sec-Fetch-Site: cross-site\r\n" + END, 403),
    ("a link of a sibling site", b"GET /popular HTTP/1.1\r\n" + H + b"Sec-Fetch-Site: same-site\r\n" + END, 403),
    ("a training that a page starts", b"POST /model/train HTTP/1.1\r\n" + H + b"Origin: http://evil.example\r\n" + END, 403),
    ("a training behind a link", b"POST /model/train HTTP/1.1\r\n" + H + b"Sec-Fetch-Site: cross-site\r\n" + END, 403),
    ("our own page", b"GET /popular HTTP/1.1\r\n" + H + b"Sec-Fetch-Site: same-origin\r\n" + END, 200),
    ("our own page by its origin", b"GET /popular HTTP/1.1\r\n" + H + b"Origin: http://localhost\r\n" + END, 200),
    ("an address typed in", b"GET /popular HTTP/1.1\r\n" + H + b"Sec-Fetch-Site: none\r\n" + END, 200),
    ("the console behind a link", b"GET /console HTTP/1.1\r\n" + H + b"Sec-Fetch-Site: cross-site\r\n" + END, 200),
    ("a rebinding page", b"GET /popular HTTP/1.1\r\nHost: evil.example\r\n" + END, 403),
]


class Shapes(harness.TestCase):
    def answers(self, server, data):
        got = server.raw(data, timeout=10)
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", got)], got

    def assert_problem(self, got, status):
        """One answer that closes the connection. Its body is a problem document of the right length."""
        head, body = got.split(b"\r\n\r\n", 1)
        headers = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
        self.assertEqual(headers[b"connection"], b"close")
        self.assertEqual(headers[b"content-type"], b"application/problem+json")
        self.assertEqual(int(headers[b"content-length"]), len(body), got)
        problem = json.loads(body)
        self.assertEqual(problem["status"], status)
        self.assertEqual(problem["request_id"].encode(), headers[b"x-request-id"])

    def test_a_request_that_the_library_refuses_is_counted_and_gets_its_answer_over_tls(self):
        certificate, key = self.path("certificate"), self.path("key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
                       check=True, capture_output=True)
        trust = ssl.create_default_context(cafile=certificate)
        trust.check_hostname = False
        with harness.Server(self.path("store"), "--tls-certificate", certificate, "--tls-key", key,
                            tls=trust) as server:
            host, port = server.address.rsplit(":", 1)
            for n in range(3):
                with socket.create_connection((host, int(port)), timeout=20) as plain:
                    with trust.wrap_socket(plain, server_hostname="localhost") as s:
                        s.sendall(POST + b"Content-Length: ten\r\n" + END + ITEM)
                        got = b""
                        while part := s.recv(65536):
                            got += part
                self.assert_problem(got, 400)
                counted = re.search(rb'duration_seconds_count\{route="none",method="other",status="4.."\} (\d+)',
                                    server.client.get("/metrics").body)
                self.assertEqual(int(counted.group(1)), n + 1)

    def test_every_shape_gets_its_answer_and_no_other(self):
        with harness.Server(self.path("store")) as server:
            for what, data, status in SHAPES:
                with self.subTest(what):
                    statuses, got = self.answers(server, data)
                    allowed = status if isinstance(status, tuple) else (status,)
                    self.assertIn(statuses[0] if statuses else NONE, allowed, (what, got[:300]))
                    if statuses and statuses[0] >= 400:
                        self.assert_problem(got, statuses[0])
                    else:
                        self.assertLessEqual(len(statuses), 1, (what, got[:300]))
            self.assertEqual(server.client.get("/items/smuggled").status, 404)
            self.assertEqual(server.client.get("/items/taken").status, 404)

    def test_the_private_address_looks_at_host_and_origin_too(self):
        with harness.Server(self.path("store"), "--admin-listen", "127.0.0.1:0") as server:
            while server.admin is None:
                time.sleep(0.01)
            private = harness.Client(server.admin)
            self.assertEqual(private.get("/metrics").status, 200)
            self.assertEqual(private.get("/metrics", headers={"Host": "evil.example"}).status, 403)
            self.assertEqual(private.get("/metrics", headers={"Origin": "http://evil.example"}).status, 403)
            self.assertEqual(private.get("/metrics", headers={"Sec-Fetch-Site": "cross-site"}).status, 403)
            self.assertEqual(private.get("/health/live", headers={"Host": "evil.example"}).status, 403)
            private.close()
        keys = self.path("keys")
        key = harness.run("key", "new", "--role", "read", "--keys", keys).stdout.strip()
        with harness.Server(self.path("store"), "--admin-listen", "0.0.0.0:0", "--keys", keys, "--allow-host",
                            "stair.shop.svc,other.example", client_headers={"X-API-Key": key}) as server:
            while server.admin is None:
                time.sleep(0.01)
            port = server.admin.rsplit(":", 1)[1]
            private = harness.Client("127.0.0.1:" + port)
            for host, status in (("10.1.2.3:" + port, 200), ("stair:" + port, 200), ("[fd00::1]:" + port, 200),
                                 ("stair.shop.svc:" + port, 200), ("OTHER.example", 200), ("evil.example", 403),
                                 ("10.1.2.3.evil.example", 403), ("stair.shop.svc.evil.example", 403)):
                self.assertEqual(private.get("/metrics", headers={"Host": host}).status, status, host)
            private.close()
            # With keys, the service does not check Origin: a page of another origin has no key anyway, and a gateway that
            # has one may pass on the header of its browsers.
            self.assertEqual(server.client.get("/popular", headers={"Origin": "http://shop.example"}).status, 200)

    def test_an_allowed_origin_may_call(self):
        with harness.Server(self.path("store"), "--allow-origin", "https://shop.example") as server:
            self.assertEqual(server.client.get("/popular", headers={"Origin": "https://shop.example"}).status, 200)
            self.assertEqual(server.client.get("/popular", headers={"Origin": "https://other.example"}).status, 403)

    def test_a_refusal_reaches_a_client_that_is_still_sending(self):
        keys = self.path("keys")
        key = harness.run("key", "new", "--role", "read", "--keys", keys).stdout.strip()
        size = 12 * 1024 * 1024
        with harness.Server(self.path("store"), "--keys", keys, "--body-bytes-max", "1MiB",
                            client_headers={"X-API-Key": key}) as server:
            host, port = server.address.rsplit(":", 1)
            for headers, status in ((b"", 401), (b"X-API-Key: " + key.encode() + b"\r\n", 403)):
                for _ in range(5):
                    with socket.create_connection((host, int(port)), timeout=20) as s:
                        s.sendall(POST + headers + b"Content-Length: %d\r\n\r\n" % size)
                        for _ in range(size // 65536):
                            s.sendall(b" " * 65536)  # all of it, as simple clients do, before reading
                        got = b""
                        while part := s.recv(65536):
                            got += part
                        self.assertEqual(got[:12], b"HTTP/1.1 %d" % status)


if __name__ == "__main__":
    harness.main()
