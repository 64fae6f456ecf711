# SPDX-License-Identifier: Apache-2.0
"""NATS servers for the cluster's tests: real ones, as many as asked for, on ports of their own.

    with nats.Servers(3, folder) as servers:
        servers.urls        # "nats://127.0.0.1:4301,nats://..."
        servers.kill(0)
        servers.start(0)

They keep their streams below `folder` and sync every message to disk, as the shipped configuration
does. `program()` is None if this machine has no server; the caller then reports that nothing was run.
"""

import functools
import glob
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
READY_SECONDS = 60
FORM_SECONDS = 12
FORM_TRIES = 5
BACK_SECONDS = 20


@functools.lru_cache(None)
def program():
    """Path of a nats-server that is new enough, or None. STAIR_NATS_SERVER names one."""
    given = os.environ.get("STAIR_NATS_SERVER")
    if given:
        return given
    found = subprocess.run([os.path.join(ROOT, "tests", "support", "nats_server.sh")], capture_output=True,
                           text=True, timeout=300)
    if found.returncode != 0:
        print(found.stderr, end="", flush=True)
        return None
    return found.stdout.strip()


def free_ports(count):
    """Free ports. They lie below those that the system gives to connections, so that a server that is stopped finds its
    own free again. All are kept open until the last one is known, so that they differ."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
        least, end = 15000, int(f.read().split()[0])
    held = []
    try:
        while len(held) < count:
            one = socket.socket()
            held.append(one)
            try:
                one.bind(("127.0.0.1", random.randrange(least, end) if end - least > 1000 else 0))
            except OSError:
                held.pop().close()
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


class Server:
    """One server process. Its configuration is written once; it can be stopped, killed and started as often as needed."""

    def __init__(self, folder, name, ports, hosts=None, more="", wrap=()):
        self.folder, self.name, self.wrap = os.path.join(folder, name), name, list(wrap)
        self.host, self.port, self.route, self.monitor = hosts or "127.0.0.1", *ports
        self.process, self.more = None, more
        os.makedirs(self.folder, exist_ok=True)

    @property
    def url(self):
        return f"nats://{self.host}:{self.port}"

    def configure(self, cluster, peers):
        lines = [f'server_name: "{self.name}"', f'host: "{self.host}"', f"port: {self.port}",
                 f'http: "{self.host}:{self.monitor}"', f'pid_file: "{self.folder}/pid"',
                 f'jetstream {{ store_dir: "{self.folder}/data", sync_interval: always }}']
        if len(peers) > 1:
            routes = ", ".join(f'"nats-route://{peer.host}:{peer.route}"' for peer in peers if peer is not self)
            lines.append(f'cluster {{ name: "{cluster}", listen: "{self.host}:{self.route}", routes: [{routes}] }}')
        with open(self.folder + ".conf", "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n" + self.more + "\n")

    def start(self):
        with open(self.folder + ".log", "ab") as log:
            self.process = subprocess.Popen([*self.wrap, program(), "-c", self.folder + ".conf"],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def pid(self):
        """The process number of the server itself, not of a program that wraps it."""
        if not self.wrap:
            return self.process.pid
        with open(os.path.join(self.folder, "pid"), encoding="ascii") as f:
            return int(f.read())

    def signal(self, number):
        """Sends a signal. A server that is paused has stopped in all its threads when this returns."""
        os.kill(self.pid(), number)
        while number == signal.SIGSTOP and not self._stopped():
            time.sleep(0.001)

    def _stopped(self):
        for path in glob.glob(f"/proc/{self.pid()}/task/*/stat"):
            with open(path, encoding="ascii") as f:
                if f.read().rsplit(") ", 1)[1][0] not in "TtZX":
                    return False
        return True

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGKILL)
            self.process.wait()

    def log(self):
        with open(self.folder + ".log", encoding="utf-8", errors="replace") as f:
            return f.read()

    def healthy(self):
        """True if JetStream is up and, with several servers, has a leader. Consumers do not count, because they change all the time."""
        try:
            with urllib.request.urlopen(f"http://{self.host}:{self.monitor}/healthz?js-server-only=true", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError, socket.timeout):
            return False


class Servers:
    """`count` servers that replicate for each other; use as a context manager.

    `more` is text for each one's configuration, such as "max_payload: 64KB"."""

    def __init__(self, count, folder, more="", hosts=None, wraps=None, ready=True):
        hosts, wraps = hosts or ["127.0.0.1"] * count, wraps or [()] * count
        ports = free_ports(3 * count)
        self.ready = ready
        self.all = [Server(folder, f"nats{i + 1}", ports[3 * i:3 * i + 3], hosts[i], more, wraps[i])
                    for i in range(count)]
        for one in self.all:
            one.configure("stair-test", self.all)

    @property
    def urls(self):
        return ",".join(one.url for one in self.all)

    def start(self, index):
        self.all[index].start()

    def kill(self, index):
        self.all[index].kill()

    def wait_ready(self, seconds=READY_SECONDS):
        end = time.monotonic() + seconds
        while not (all(one.healthy() for one in self.all) and self.all_known()):
            for one in self.all:
                if one.process.poll() is not None:
                    raise AssertionError(f"{one.name} ended:\n{one.log()[-3000:]}")
            if time.monotonic() > end:
                told = "\n".join(f"{one.name}: healthy {one.healthy()}, meta {self.jsz(one).get('meta_cluster')}\n"
                                 f"{one.log()[-1500:]}" for one in self.all)
                raise AssertionError(f"the NATS servers are not ready:\n{told}")
            time.sleep(0.05)

    @staticmethod
    def jsz(one, query=""):
        """A server's report on JetStream; {} if it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{one.host}:{one.monitor}/jsz{query}", timeout=2) as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError, TimeoutError, socket.timeout):
            return {}

    def all_known(self):
        """True if the leader of all streams knows every other server, so that streams can place their replicas."""
        if len(self.all) == 1:
            return True
        for one in self.all:
            others = self.jsz(one).get("meta_cluster", {}).get("replicas") or []
            if sum(not other.get("offline") for other in others) == len(self.all) - 1:
                return True
        return False

    def stream_leader(self, stream):
        """Index of the server that leads a stream's replicas; None while there is none."""
        for i, one in enumerate(self.all):
            if one.process.poll() is not None:
                continue
            accounts = self.jsz(one, "?streams=true&config=true").get("account_details") or []
            for account in accounts:
                for detail in account.get("stream_detail") or []:
                    leader = (detail.get("cluster") or {}).get("leader")
                    if detail["name"] == stream and leader == one.name:
                        return i
        return None

    def form(self):
        """Starts a new group until it has all its servers, and waits for it.

        Servers that start at the same moment may settle on a group of two that never admits the third, or
        elect no leader at all (nats-server 2.10.27, one to seven starts in a hundred). Such a group has no
        data yet: it is thrown away."""
        for _ in range(FORM_TRIES):
            self.start_all()
            end = time.monotonic() + FORM_SECONDS
            while not self.all_known() and time.monotonic() < end:
                time.sleep(0.05)
            if self.all_known():
                break
            groups = [self.jsz(one).get("meta_cluster") for one in self.all]
            print(f"no group of all NATS servers, so a new one: {groups}", flush=True)
            self.kill_all()
            for one in self.all:
                shutil.rmtree(os.path.join(one.folder, "data"))
        self.wait_ready()

    def mend(self, seconds=FORM_TRIES * BACK_SECONDS):
        """Starts the servers that do not run, and waits until all are one group again.

        Now and then one stays behind the group's own log after its start (nats-server 2.10.27, one of about
        ten after a kill): starting it once more helps."""
        for one in self.all:
            if one.process.poll() is not None:
                one.start()
        now = time.monotonic()
        end, again = now + seconds, now + BACK_SECONDS
        while not (all(one.healthy() for one in self.all) and self.all_known()):
            now = time.monotonic()
            if now > end:
                self.wait_ready(0)
            if now > again:
                again = now + BACK_SECONDS
                for one in [one for one in self.all if not one.healthy()]:
                    print(f"{one.name} is not current after {BACK_SECONDS} s, so once more", flush=True)
                    one.kill()
                    one.start()
            time.sleep(0.05)

    def start_all(self):
        for one in self.all:
            one.start()

    def kill_all(self):
        for one in self.all:
            one.kill()

    def __enter__(self):
        if not self.ready:
            self.start_all()
            return self
        try:
            self.form()
        except AssertionError:
            self.kill_all()
            raise
        return self

    def __exit__(self, kind, value, trace):
        self.kill_all()
