#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs test programs, --jobs at a time, and counts their results. Those that --first names begin first.

A program is a cmocka binary or a Python file that uses tests/support/harness.py. Both print for each
test that it begins and how it ended, in cmocka's format. A test that began and did not end has failed,
so a crash counts. A program that ran no test has failed, so nothing is skipped silently. With --plain,
a program is a shell command that counts as one test, judged by its exit status.

OpenMP's threads in C programs spin only briefly before they sleep, as those of `stair` do. With libgomp's
default, programs that run at the same time take several times the processor time.

The counts go to build/results/SUITE.json, for summary.py. A line "NOT RUN: ..." says that something
could not be tested on this machine; it is kept for the summary. Lines "MEASURED: ..." are shown too.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
BEGUN = re.compile(r"^\[ RUN      \] (.+)$")
GOOD = re.compile(r"^\[       OK \] (.+)$")
BAD = re.compile(r"^\[  (?:FAILED |SKIPPED)  ?\] (.+)$")
TAIL_LINES = 200
OPENMP = {} if "OMP_WAIT_POLICY" in os.environ else {"GOMP_SPINCOUNT": "1000"}


def run(command, timeout, shell, environment):
    """Returns exit status, output and processor seconds, those of its children that it waited for
    included. At the timeout the whole process group is ended."""
    child = subprocess.Popen(command, shell=shell, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, start_new_session=True, env=environment)
    overdue = threading.Event()

    def end():
        overdue.set()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)

    timer = threading.Timer(timeout, end)
    timer.daemon = True
    timer.start()
    with child.stdout:
        output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    timer.cancel()
    child.returncode = os.waitstatus_to_exitcode(status)
    if overdue.is_set():
        output += f"\nended after {timeout} seconds\n".encode()
        child.returncode = -signal.SIGKILL
    return child.returncode, output.decode("utf-8", "replace"), usage.ru_utime + usage.ru_stime


def count(status, lines, program):
    """Returns (passed, failed names) of a program's output."""
    begun, good, bad = [], set(), set()
    for line in lines:
        for pattern, put in ((BEGUN, begun.append), (GOOD, good.add), (BAD, bad.add)):
            found = pattern.match(line)
            if found:
                put(found.group(1))
    # cmocka lists the failed tests once more after a count. Only names of tests that began matter.
    failed = [name for name in begun if name in bad or name not in good]
    passed = len(begun) - len(failed)
    if not begun:
        failed.append(f"{program}: ran no test (exit status {status})")
    elif status != 0 and not failed:
        failed.append(f"{program}: exit status {status}")
    return passed, failed


def name_of(program, plain):
    name = program if plain else os.path.splitext(os.path.basename(program))[0]
    return re.sub(r"^make -s (-j\d+ )?", "", name)


def run_program(program, options):
    verbose = bool(os.environ.get("V"))
    name = name_of(program, options.plain)
    command, environment = program, None
    if program.endswith(".py") and not options.plain:
        command = ["/usr/bin/python3", program]  # it runs `stair`, which sets OpenMP for itself
    elif not options.plain:
        command, environment = [os.path.abspath(program)], {**OPENMP, **os.environ}
    started = time.monotonic()
    status, output, processor = run(command, options.timeout, options.plain, environment)
    seconds = time.monotonic() - started
    lines = [ESCAPES.sub("", line) for line in output.splitlines()]
    if options.plain:
        passed, failed = (1, []) if status == 0 else (0, [f"{name}: exit status {status}"])
    else:
        passed, failed = count(status, lines, name)
    not_run = [line for line in lines if line.startswith("NOT RUN:")]
    told = [line for line in lines if line.startswith(("NOT RUN:", "MEASURED:"))]
    shown = lines if verbose else lines[-TAIL_LINES:] if failed else told
    shown.append(f"{'FAIL' if failed else '  ok'}  {options.suite}  {name}: {passed} passed, "
                 f"{len(failed)} failed, {seconds:.1f} s ({processor:.1f} s of processors)")
    return {"passed": passed, "failed": [f if f.startswith(name) else f"{name}: {f}" for f in failed],
            "not_run": not_run, "processor": processor, "text": "\n".join(shown)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--suite", required=True)
    parser.add_argument("--timeout", type=float, default=900)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--first", default="", help="names without test_, fuzz_ or lint-, in one argument")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("programs", nargs="*")
    options = parser.parse_args()
    if not options.programs and not os.environ.get("ONLY"):
        parser.error("no programs: a list that should name some is empty")

    if not options.programs:
        print(f"{options.suite}: no program is named ONLY={os.environ['ONLY']}", flush=True)

    total = {"suite": options.suite, "passed": 0, "failed": [], "not_run": [], "seconds": 0.0, "processor": 0.0}
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        # Otherwise one of the longest would run alone at the end.
        first = options.first.split()

        def place(program):
            name = name_of(program, options.plain)
            return next((i for i, long in enumerate(first) if re.search(rf"[_-]{long}\b", name)), len(first))

        running = [pool.submit(run_program, program, options) for program in sorted(options.programs, key=place)]
        for done in concurrent.futures.as_completed(running):
            result = done.result()
            total["passed"] += result["passed"]
            total["failed"] += result["failed"]
            total["not_run"] += result["not_run"]
            total["processor"] += result["processor"]
            print(result["text"], flush=True)
    total["seconds"] = time.monotonic() - started

    folder = os.path.join("build", "results")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, options.suite + ".json"), "w", encoding="utf-8") as out:
        json.dump(total, out)
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
