# SPDX-License-Identifier: Apache-2.0
"""An encoder for tests: a real server that speaks the embeddings call, with faults on demand.

    encoder.py [--port N] [--width 32] [--seconds 0] [--model NAME] [--together CALLS TEXTS]
               [--tls CERTIFICATE KEY]

Each word has a fixed random direction, and the vector of a text is the sum of its words' directions. So
texts that share words have near vectors. Another model name gives other directions. POST /fault
{"kind": "...", "times": N} makes the next N calls fail in that way. GET /stats tells which calls came.
With --together 8 10000, the N-th call is answered only when call N + 7 or 10,000 texts have arrived. So a
client that keeps fewer than 8 calls running while texts wait gets no answer. The program prints its port
when it listens.
"""

import argparse
import gzip
import hashlib
import http.server
import json
import math
import socket
import ssl
import struct
import threading
import time


def direction(word, width, model):
    """A word's numbers, cheap to make: the encoder shall not be what a test of the calls waits for."""
    numbers = struct.unpack(f"<{width}h", hashlib.shake_128((model + word).encode()).digest(2 * width))
    return [x / 32768 for x in numbers]


def vector(text, width, model):
    total = [sum(column) for column in zip(*(direction(word, width, model) for word in text.lower().split()))] or [0.0] * width
    length = math.sqrt(sum(x * x for x in total)) or 1
    return [round(x / length, 6) for x in total]


class State:
    def __init__(self, width, seconds, model, together, whole):
        self.lock = threading.Lock()
        self.arrived = threading.Condition(self.lock)
        self.width, self.seconds, self.model = width, seconds, model
        self.together, self.whole = together, whole
        self.kind, self.times, self.extra = None, 0, {}
        self.calls = self.texts = self.busy = self.most = 0
        self.sizes = []  # of the calls, in the order in which they came
        self.keys, self.inputs = set(), []

    def fault(self):
        with self.lock:
            if self.times == 0:
                return None
            self.times -= 1
            return self.kind


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes
    state = None

    def log_message(self, *_):
        pass

    def answer(self, status, body, headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def cut(self):
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def do_GET(self):
        s = self.state
        with s.lock:
            self.answer(200, {"calls": s.calls, "texts": s.texts, "most": s.most, "keys": sorted(s.keys), "sizes": s.sizes, "inputs": s.inputs[-2000:]})

    def do_POST(self):
        s = self.state
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/fault":
            told = json.loads(body)
            with s.lock:
                s.kind, s.times, s.extra = told["kind"], told["times"], told
            self.answer(200, {})
            return
        request = json.loads(body)
        texts = request["input"]
        with s.lock:
            s.calls += 1
            s.texts += len(texts)
            s.busy += 1
            s.most = max(s.most, s.busy)
            s.sizes.append(len(texts))
            s.arrived.notify_all()
            s.keys.add(self.headers.get("Authorization", ""))
            s.inputs += texts
            number = s.calls
        try:
            self.await_company(number)
            self.serve(s.fault(), texts)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with s.lock:
                s.busy -= 1

    def await_company(self, number):
        """Holds a call back until `together` calls are at work, or until all texts have been asked for."""
        s = self.state
        with s.lock:
            s.arrived.wait_for(lambda: s.calls >= number + s.together - 1 or s.texts >= s.whole)

    def serve(self, kind, texts):
        s = self.state
        time.sleep(s.seconds)
        bad = s.extra.get("bad")
        if bad and any(bad in text for text in texts):
            self.answer(400, {"error": "a bad text"})
            return
        data = [{"index": i, "embedding": vector(text, s.width, s.model)} for i, text in enumerate(texts)]
        whole = json.dumps({"data": data}).encode()
        if kind is None:
            self.answer(200, whole)
        elif kind == "status":
            self.answer(s.extra["status"], {"error": "asked for"}, s.extra.get("headers", {}).items())
        elif kind == "count":
            self.answer(200, {"data": data[:-1]})
        elif kind == "width":
            data[-1]["embedding"] = data[-1]["embedding"][:-1]
            self.answer(200, {"data": data})
        elif kind == "nan":
            data[0]["embedding"][0] = float("nan")
            self.answer(200, {"data": data})
        elif kind == "infinite":
            self.answer(200, whole.replace(b'"embedding": [', b'"embedding": [1e999, ', 1))
        elif kind == "words":
            self.answer(200, {"data": [{"embedding": ["a"] * s.width} for _ in texts]})
        elif kind == "twice":
            self.answer(200, {"data": [dict(entry, index=0) for entry in data]})
        elif kind == "garbage":
            self.answer(200, whole + b" {}")
        elif kind == "keys":
            self.answer(200, whole.replace(b'"index": 0,', b'"index": 0, "index": 0,', 1))
        elif kind == "index":
            data[0]["index"] = s.extra["index"]
            self.answer(200, {"data": data})
        elif kind == "body":
            body = s.extra.get("head", "") + s.extra["body"] * s.extra.get("repeat", 1)
            self.answer(200, body.encode(), s.extra.get("headers", {}).items())
        elif kind == "compressed":
            self.answer(200, gzip.compress(b" " * (64 << 20) + whole), [("Content-Encoding", "gzip")])
        elif kind == "informed":
            while True:
                self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n")
        elif kind == "half":
            self.send_response(200)
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            self.wfile.write(whole[:len(whole) // 2])
            self.wfile.flush()
            self.cut()
        elif kind == "cut":
            self.cut()
        elif kind == "slow":
            time.sleep(s.extra["seconds"])
            self.answer(200, whole)
        elif kind == "drip":
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            for _ in range(1000):
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.05)
        elif kind == "giant":
            self.send_response(200)
            self.send_header("Content-Length", str(1 << 30))
            self.end_headers()
            for _ in range(1024):
                self.wfile.write(b" " * (1 << 20))
        elif kind == "headers":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for i in range(1000000):
                self.wfile.write(b"X-More-%d: %s\r\n" % (i, b"a" * 200))
        elif kind == "redirect":
            self.answer(302, {}, [("Location", s.extra["to"])])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--model", default="")
    parser.add_argument("--together", nargs=2, type=int, default=(1, 0))
    parser.add_argument("--tls", nargs=2)
    options = parser.parse_args()
    Handler.state = State(options.width, options.seconds, options.model, *options.together)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*options.tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
