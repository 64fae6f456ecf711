#!/usr/bin/python3
"""Run test programs one after another and keep count.

A program is a cmocka binary or a Python file on tests/support/harness.py; both say for each test
that it runs and how it ended, in cmocka's words. A test that was begun and not finished has failed,
so a crash counts; a program that ran no test has failed, so nothing is skipped silently. With
--plain a program is a shell command and one test, judged by its exit status.

The counts go to build/results/SUITE.json, for summary.py. A line that begins with "NOT RUN:" says
that something could not be tested here; it is kept for the summary.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
BEGUN = re.compile(r"^\[ RUN      \] (.+)$")
GOOD = re.compile(r"^\[       OK \] (.+)$")
BAD = re.compile(r"^\[  (?:FAILED |SKIPPED)  ?\] (.+)$")
TAIL_LINES = 200


def run(command, timeout, shell):
    """Gives exit status and output; the whole process group ends at the timeout."""
    child = subprocess.Popen(command, shell=shell, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output, _ = child.communicate(timeout=timeout)
        status = child.returncode
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        output, _ = child.communicate()
        output += f"\nended after {timeout} seconds\n".encode()
        status = -signal.SIGKILL
    return status, output.decode("utf-8", "replace")


def count(status, lines, program):
    """Gives (passed, failed names) of a program's output."""
    begun, good, bad = [], set(), set()
    for line in lines:
        for pattern, put in ((BEGUN, begun.append), (GOOD, good.add), (BAD, bad.add)):
            found = pattern.match(line)
            if found:
                put(found.group(1))
    # cmocka lists the failed ones once more, after a count: only names that were begun matter.
    failed = [name for name in begun if name in bad or name not in good]
    passed = len(begun) - len(failed)
    if not begun:
        failed.append(f"{program}: ran no test (exit status {status})")
    elif status != 0 and not failed:
        failed.append(f"{program}: exit status {status}")
    return passed, failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--suite", required=True)
    parser.add_argument("--timeout", type=float, default=900)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("programs", nargs="*")
    options = parser.parse_args()
    verbose = bool(os.environ.get("V"))

    total = {"suite": options.suite, "passed": 0, "failed": [], "not_run": [], "seconds": 0.0}
    for program in options.programs:
        name = program if options.plain else os.path.splitext(os.path.basename(program))[0]
        name = re.sub(r"^make -s (-j\d+ )?", "", name)
        command = program
        if not options.plain:
            command = ["/usr/bin/python3", program] if program.endswith(".py") else [os.path.abspath(program)]
        started = time.monotonic()
        status, output = run(command, options.timeout, options.plain)
        seconds = time.monotonic() - started
        lines = [ESCAPES.sub("", line) for line in output.splitlines()]
        if options.plain:
            passed, failed = (1, []) if status == 0 else (0, [f"{name}: exit status {status}"])
        else:
            passed, failed = count(status, lines, name)
        total["passed"] += passed
        total["failed"] += [f"{name}: {f}" if not f.startswith(name) else f for f in failed]
        total["not_run"] += [line for line in lines if line.startswith("NOT RUN:")]
        total["seconds"] += seconds
        if failed or verbose:
            print("\n".join(lines if verbose else lines[-TAIL_LINES:]))
        else:
            for line in lines:
                if line.startswith("NOT RUN:"):
                    print(line)
        print(f"{'FAIL' if failed else '  ok'}  {options.suite}  {name}: {passed} passed, "
              f"{len(failed)} failed, {seconds:.1f} s", flush=True)

    folder = os.path.join("build", "results")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, options.suite + ".json"), "w", encoding="utf-8") as out:
        json.dump(total, out)
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
