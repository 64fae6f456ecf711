#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up the results that run_tests.py wrote: summary.py FOLDER [SUITE...]

A named suite without a result did not build or did not run, so it counts as one failure. If there is no
test at all, that is a failure too. The last line is the count. With COUNT_IN_FILE it goes only to
FOLDER/count.txt, for a caller that prints it last.
"""

import glob
import json
import os
import sys


def main():
    folder, expected = sys.argv[1], sys.argv[2:]
    suites = {}
    for path in glob.glob(os.path.join(folder, "*.json")):
        with open(path, encoding="utf-8") as f:
            result = json.load(f)
        suites[result["suite"]] = result
    passed, failed, not_run = 0, [], []
    print()
    for name in expected + sorted(set(suites) - set(expected)):
        result = suites.get(name)
        if result is None:
            failed.append(f"{name}: did not build or did not run")
            print(f"  {name:14}  no result")
            continue
        passed += result["passed"]
        failed += [f"{name}: {f}" for f in result["failed"]]
        not_run += result["not_run"]
        print(f"  {name:14}  {result['passed']:5} passed  {len(result['failed']):3} failed  {result['seconds']:7.1f} s"
              f"  {result['processor']:7.1f} s of processors")
    if not passed and not failed:
        failed.append("no test was run")
    for line in sorted(set(not_run)):
        print(line)
    for line in failed:
        print("FAILED", line)
    line = f"{passed} passed, {len(failed)} failed"
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "count.txt"), "w", encoding="utf-8") as out:
        print(line, file=out)
    if not os.environ.get("COUNT_IN_FILE"):
        print(line, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
