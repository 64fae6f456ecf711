# SPDX-License-Identifier: Apache-2.0
"""Threads follow the affinity mask and the control group's quota, not the processors online."""

import glob
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402


def comms(pid):
    """The names of a process's threads."""
    names = []
    for path in glob.glob(f"/proc/{pid}/task/*/comm"):
        with open(path, encoding="ascii") as f:
            names.append(f.read().strip())
    return names


class ThreadCount:
    """Runs commands on a machine that seems to have 64 processors, and counts the threads they start."""

    def __init__(self, test):
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "counted_threads.c")
        self.library, self.count = test.path("counted_threads.so"), test.path("count")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", self.library, source, "-ldl"], check=True)

    def begin(self, wrap):
        with open(self.count, "wb") as f:
            f.write(bytes(8))
        return [*wrap, "env", f"LD_PRELOAD={self.library}", f"THREAD_COUNT={self.count}"]

    def end(self):
        with open(self.count, "rb") as f:
            return int.from_bytes(f.read(8), "little")

    def of(self, wrap, *command):
        done = subprocess.run([*self.begin(wrap), harness.STAIR, *map(str, command)], check=False, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, env=harness.ENVIRONMENT)
        assert done.returncode == 0, done.stderr
        return self.end()

    def of_service(self, wrap, store, *more):
        with harness.Server(store, *more, wrap=self.begin(wrap)) as server:
            for n in range(3):
                server.client.post("/items", {"id": f"new-{n}", "title": "warm red jacket"})
                server.client.get("/similar", {"text": "warm jacket"}, contract_check=False)
        return self.end()


class Group:
    """Makes a control group with a quota of one processor; returns None if this machine allows no such group."""

    def __init__(self):
        self.folder = None
        for root, name, text in (("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "100000"),
                                 ("/sys/fs/cgroup", "cpu.max", "100000 100000")):
            folder = os.path.join(root, f"stair-test-{os.getpid()}")
            try:
                os.mkdir(folder)
                with open(os.path.join(folder, name), "w", encoding="ascii") as f:
                    f.write(text)
                self.folder = folder
                return
            except OSError:
                if os.path.isdir(folder):
                    os.rmdir(folder)

    def wrap(self):
        join = f'echo $$ > {self.folder}/cgroup.procs && exec "$0" "$@"'
        return ["/bin/sh", "-c", join]

    def remove(self):
        if self.folder is not None:
            os.rmdir(self.folder)


class Processors(harness.TestCase):
    def one_processor(self, wrap):
        _, store = self.shop_store()
        environment = harness.ENVIRONMENT

        def output(*command):
            return subprocess.run([*wrap, harness.STAIR, *command, "--store", store], check=True, text=True,
                                  capture_output=True, stdin=subprocess.DEVNULL, env=environment).stdout

        for command in (("train", "--epochs", "1"), ("tune", "--budget-epochs", "5", "--epochs", "1")):
            self.assertIn('"threads":1', output(*command, "--json").replace(" ", ""))
        self.assertIn("processors: 1 for 1 threads of requests", output("check", "--json"))
        with harness.Server(store, wrap=wrap) as server:
            names = comms(server.process.pid)
            self.assertEqual(sum(name.startswith("MHD-") for name in names), 1, names)

    def started_threads(self, wrap):
        """With one processor allowed, a command starts no more threads than with --threads 1, however many the machine has."""
        files, store = self.shop_store("counted")
        count = ThreadCount(self)
        train = ("train", "--store", store, "--epochs", 1, "--batch", 512, "--dim", 16, "--activate", "no")
        tune = ("tune", "--store", store, "--budget-epochs", 5, "--epochs", 1, "--dim", 16, "--activate", "no")
        judge = ("eval", "--store", store, "--baselines", "popular,ease")
        for command in (train, tune, judge):
            asked = count.of(wrap, *command, "--threads", 1)
            self.assertEqual(count.of(wrap, *command), asked, command)
            self.assertGreater(count.of(wrap, *command, "--threads", 3), asked, command)
        asked = count.of_service(wrap, store, "--threads", 1)
        self.assertEqual(count.of_service(wrap, store), asked, "serve")
        self.assertGreater(count.of_service(wrap, store, "--threads", 3), asked, "serve")
        first, second = self.path("first"), self.path("second")
        made = [count.of(how, "import", "--store", folder, *harness.import_arguments(files))
                for how, folder in ((wrap, first), ([], second))]
        self.assertEqual(made, [made[0]] * 2)  # an import has no option for its number of threads

    def test_affinity_counts(self):
        self.one_processor(["taskset", "-c", str(min(os.sched_getaffinity(0)))])

    def test_affinity_counts_for_every_thread_that_is_started_also_those_of_libraries(self):
        self.started_threads(["taskset", "-c", str(min(os.sched_getaffinity(0)))])

    def test_the_quota_of_a_control_group_counts(self):
        group = Group()
        self.addCleanup(group.remove)
        if group.folder is None:
            harness.not_run("the quota of a control group: none can be made here")
            return
        self.one_processor(group.wrap())
        self.started_threads(group.wrap())

    def test_the_process_has_its_name(self):
        _, store = self.shop_store()
        with harness.Server(store, "--threads", "2") as server:
            with open(f"/proc/{server.process.pid}/comm", encoding="ascii") as f:
                self.assertEqual(f.read(), "stair\n")

    def test_a_small_address_space_does_not_hang_the_start(self):
        statuses = []
        for kib in (100000, 150000, 200000, 250000, 400000):  # newer versions of OpenBLAS need more to load
            limited = f'ulimit -v {kib} && exec "$0" --version'
            done = subprocess.run(["/bin/sh", "-c", limited, harness.STAIR], timeout=60, check=False,
                                  capture_output=True, text=True, env=harness.ENVIRONMENT)
            if done.returncode == 1:
                self.assertIn("ulimit", done.stderr)
            statuses.append(done.returncode)
        self.assertEqual(statuses[-1], 0)
        self.assertTrue(set(statuses[1:]) <= {0, 1}, statuses)  # with less, the libraries cannot be mapped

    def test_a_small_address_space_is_refused_or_enough_and_never_waited_for(self):
        _, store = self.shop_store()
        ended = {0: 0, 1: 0}
        commands = (["train", "--epochs", "1", "--dim", "16", "--activate", "no"], ["eval", "--baselines", "ease"])
        for kind, kib in (("v", 300000), ("v", 1200000), ("v", 1600000), ("v", 3000000), ("v", 4300000), ("d", 300000)):
            limited = f'ulimit -{kind} {kib} && exec "$0" "$@"'
            for command in commands:
                done = subprocess.run(["/bin/sh", "-c", limited, harness.STAIR, *command, "--store", store, "--threads", "2"],
                                      timeout=120, check=False, capture_output=True, text=True, env=harness.ENVIRONMENT)
                self.assertIn(done.returncode, ended, done.stderr)
                ended[done.returncode] += 1
                if done.returncode == 1:
                    self.assertIn("ulimit", done.stderr.splitlines()[-1])
        self.assertGreaterEqual(ended[1], 4)
        self.assertGreaterEqual(ended[0], 4)


if __name__ == "__main__":
    harness.main()
