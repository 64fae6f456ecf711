# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: the real binary, a shop, and a client that checks every answer.

Each test file is a unittest module that ends in harness.main(); run it with /usr/bin/python3 (the
Python that Debian's yaml and jsonschema packages belong to) and STAIR naming the binary.
"""

import atexit
import fcntl
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import contract  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STAIR = os.environ.get("STAIR", os.path.join(ROOT, "build", "release", "stair"))
SHARED_DATA = os.path.join(os.path.dirname(ROOT), "shared", "data")
READY_SECONDS = 60
# Runs must not depend on the caller's environment.
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("STAIR")}


# ---- A binary with a sanitizer writes its reports into files here, so that they remain even if a test kills it.

SANITIZERS = [name for name in ("ASAN_OPTIONS", "TSAN_OPTIONS") if name in ENVIRONMENT]
REPORTS = tempfile.mkdtemp(prefix="stair-sanitizer-") if SANITIZERS else None
if SANITIZERS:
    atexit.register(shutil.rmtree, REPORTS, ignore_errors=True)
    for option in SANITIZERS:
        ENVIRONMENT[option] += f":log_path={REPORTS}/report"


def take_reports():
    """The text of all reports of sanitizers since the last call."""
    found = ""
    for name in sorted(os.listdir(REPORTS)) if REPORTS else []:
        with open(os.path.join(REPORTS, name), encoding="utf-8", errors="replace") as f:
            found += f.read()
        os.unlink(os.path.join(REPORTS, name))
    return found


def run(*arguments, check=True, timeout=600, env=None, **more):
    """Runs the binary; returns the finished process with text output."""
    done = subprocess.run([STAIR, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=timeout, env={**ENVIRONMENT, **(env or {})}, **more)
    if check and done.returncode != 0:
        raise AssertionError(f"stair {' '.join(map(str, arguments))}: exit status {done.returncode}\n"
                             f"{done.stdout}{done.stderr}")
    return done


def run_json(*arguments, **more):
    return json.loads(run(*arguments, "--json", **more).stdout)


def export(store, what):
    """The lines of `stair export`: "items" or "interactions"."""
    with tempfile.TemporaryDirectory(prefix="stair-export-") as folder:
        run("export", "--store", store, "--to", folder)
        with open(os.path.join(folder, what + ".jsonl"), encoding="utf-8") as f:
            return f.read()


# ---- The shop that most tests use. It is small, and trained once for each build of the binary.

SHOP_ARGUMENTS = ["--users", "400", "--items", "300", "--interactions", "6000", "--text-dim", "24",
                  "--image-dim", "32", "--seed", "7"]


def import_arguments(shop, split="time"):
    return ["--interactions", os.path.join(shop, "interactions.inter"), "--items", os.path.join(shop, "items.jsonl"),
            "--features", "text=" + os.path.join(shop, "text.npy"),
            "--features", "image=" + os.path.join(shop, "image.npy"), "--split", split]


def shop():
    """Returns (folder of the shop's files, folder of its trained store). Both are read-only: copy the store."""
    with open(STAIR, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()[:16]
    folder = os.path.join(ROOT, "build", "shops", digest)
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with open(os.path.join(os.path.dirname(folder), "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in parallel, and one of them makes it
        return make_shop(folder)


def make_shop(folder):
    if not os.path.exists(os.path.join(folder, "done")):
        shutil.rmtree(folder, ignore_errors=True)
        files, store = os.path.join(folder, "files"), os.path.join(folder, "store")
        os.makedirs(folder)
        run("demo", "--out", files, *SHOP_ARGUMENTS)
        run("import", "--store", store, *import_arguments(files))
        run("train", "--store", store, "--epochs", 20, "--batch", 512, "--dim", 32, "--threads", 2, "--activate", "yes")
        open(os.path.join(folder, "done"), "w", encoding="ascii").close()
    return os.path.join(folder, "files"), os.path.join(folder, "store")


def shop_users(files, count):
    """The first `count` user ids of the shop, in order of first appearance, and each one's items."""
    users = {}
    with open(os.path.join(files, "interactions.inter"), encoding="utf-8") as f:
        next(f)
        for line in f:
            user, item = line.rstrip("\n").split("\t")[:2]
            users.setdefault(user, []).append(item)
    return dict(list(users.items())[:count])


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def items(self):
        return [hit["item"] for hit in self.json["items"]]


class Client:
    """Keep-alive HTTP client; one per thread. It compares every answer with openapi.yaml."""

    def __init__(self, address, headers=None, tls=None):
        self.address, self.headers, self.tls = address, dict(headers or {}), tls
        self.connection = None

    def _connect(self):
        host, port = self.address.rsplit(":", 1)
        if self.tls is not None:
            return http.client.HTTPSConnection(host.strip("[]"), int(port), timeout=60, context=self.tls)
        return http.client.HTTPConnection(host.strip("[]"), int(port), timeout=60)

    def ask(self, method, target, body=None, headers=None, contract_check=True):
        sent = {**self.headers, **(headers or {})}
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        if body is not None and not any(name.lower() == "content-type" for name in sent):
            sent["Content-Type"] = "application/json"
        for attempt in (0, 1):
            fresh = self.connection is None
            if fresh:
                self.connection = self._connect()
            try:
                self.connection.request(method, target, body=body, headers=sent)
                got = self.connection.getresponse()
                answer = Answer(got.status, got.headers, got.read())
                if got.will_close:
                    self.close()
                break
            except (http.client.HTTPException, ConnectionError, socket.timeout):
                self.close()
                # The server may have closed an idle connection; only reads are repeated.
                if fresh or method != "GET" or attempt == 1:
                    raise
        if contract_check:
            contract.check(method, target, answer)
        return answer

    def get(self, path, query=None, **more):
        if query:
            path += "?" + urllib.parse.urlencode(query, doseq=True)
        return self.ask("GET", path, **more)

    def post(self, path, body, **more):
        return self.ask("POST", path, body, **more)

    def put(self, path, body, **more):
        return self.ask("PUT", path, body, **more)

    def patch(self, path, body, **more):
        return self.ask("PATCH", path, body, **more)

    def delete(self, path, **more):
        return self.ask("DELETE", path, **more)

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Server:
    """A `stair serve` on a port of the system's choice; use as a context manager."""

    def __init__(self, store, *arguments, env=None, client_headers=None, tls=None, wrap=(), listen="127.0.0.1:0"):
        self.store, self.log, self.address, self.admin = store, [], None, None
        self.found = threading.Event()
        command = [*wrap, STAIR, "serve", "--store", str(store), "--listen", listen, *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True, env={**ENVIRONMENT, **(env or {})})
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.found.wait(READY_SECONDS)
        if self.address is None:
            self.kill()
            raise AssertionError("the server does not listen:\n" + "".join(self.log))
        self.client = Client(self.address, client_headers, tls)
        self._wait_ready()

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line)
            found = re.search(r"event=(listening|admin_listening) .*?address=(\S+)", line)
            if found and found.group(1) == "admin_listening":
                self.admin = found.group(2)
            elif found:
                self.address = found.group(2)
                self.found.set()
        self.found.set()

    def _wait_ready(self):
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError("the server ended:\n" + "".join(self.log))
            try:
                if self.client.get("/health/ready").status == 200:
                    return
            except ConnectionError:
                pass
            time.sleep(0.01)
        self.kill()
        raise AssertionError("the server is not ready:\n" + "".join(self.log))

    def new_client(self):
        return Client(self.address, self.client.headers, self.client.tls)

    def stop(self, sig=signal.SIGTERM, timeout=60):
        """Stops it by SIGTERM; returns the exit status."""
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the server does not stop:\n" + "".join(self.log[-50:])) from None
        self._finish()
        return status

    def kill(self):
        self.process.kill()
        self.process.wait()
        self._finish()

    def _finish(self):
        self.reader.join(10)
        self.process.stderr.close()

    def raw(self, data, timeout=20.0, half_close=False):
        """Sends these bytes; returns everything received until the server closes or is silent."""
        host, port = self.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=timeout) as s:
            try:
                s.sendall(data)
                if half_close:
                    s.shutdown(socket.SHUT_WR)
            except OSError:  # already closed from the other side
                pass
            got = b""
            try:
                while True:
                    part = s.recv(65536)
                    if not part:
                        break
                    got += part
            except (socket.timeout, ConnectionError):
                pass
            return got

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            try:
                self.stop()
            except AssertionError:
                if kind is None:
                    raise
        else:
            self.client.close()
        if kind is not None:
            sys.stderr.write("server log:\n" + "".join(self.log[-40:]))


class TestCase(unittest.TestCase):
    """Every test has a folder of its own, self.dir, that is removed afterwards."""

    maxDiff = None

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="stair-test-")
        self.addCleanup(self.assert_no_reports)
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def assert_no_reports(self):
        """Fails if a sanitizer has found anything in a process of this test."""
        self.assertEqual(take_reports(), "")

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def shop_store(self, name="store"):
        """Copies the trained shop's store for a test that changes it; returns (files, store)."""
        files, store = shop()
        mine = self.path(name)
        shutil.copytree(store, mine)
        return files, mine

    def assert_checked(self, store):
        done = run("check", "--store", store, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def assert_problem(self, answer, status, detail=None, pointer=None):
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
        problem = answer.json
        self.assertEqual(problem["status"], status)
        self.assertEqual(problem["request_id"], answer.headers["X-Request-Id"])
        if detail is not None:
            self.assertIn(detail, json.dumps(problem))
        if pointer is not None:
            self.assertIn(pointer, [e["pointer"] for e in problem.get("errors", [])], problem)


def not_run(what):
    """Reports that a part of the tests could not run on this machine."""
    print("NOT RUN:", what, flush=True)


class _Result(unittest.TestResult):
    def startTest(self, test):
        super().startTest(test)
        self.name = f"{type(test).__name__}.{test._testMethodName}"
        self.bad = False
        print(f"[ RUN      ] {self.name}", flush=True)

    def _failed(self, text):
        self.bad = True
        print(text)

    def addError(self, test, err):
        super().addError(test, err)
        self._failed(self.errors[-1][1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._failed(self.failures[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._failed(f"{subtest.id()}\n{(self.errors + self.failures)[-1][1]}")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._failed("skipped: " + reason)

    def stopTest(self, test):
        print(f"[  FAILED  ] {self.name}" if self.bad else f"[       OK ] {self.name}", flush=True)
        super().stopTest(test)


def main():
    """Runs the tests of the file that calls it; arguments pick tests by a part of their name."""
    module = sys.modules["__main__"]
    suite = unittest.TestSuite()
    for group in unittest.defaultTestLoader.loadTestsFromModule(module):
        for test in group:
            if not sys.argv[1:] or any(part in test.id() for part in sys.argv[1:]):
                suite.addTest(test)
    result = _Result()
    suite.run(result)
    if result.errors and not result.testsRun:
        print(result.errors[0][1])
    sys.exit(0 if result.wasSuccessful() and result.testsRun else 1)
