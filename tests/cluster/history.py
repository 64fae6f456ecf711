# SPDX-License-Identifier: Apache-2.0
"""The history of calls to several nodes, and the judge that looks for contradictions in it.

Every call is recorded with its times, its node and its answer. Afterwards `judge` looks for anything
that contradicts the promises of docs/cluster.md:

    - two writes with the same seq, or a later write with a smaller seq
    - a repeat of an Idempotency-Key that got another seq than the first answer: the write was applied twice
    - an answer of a node that is older than an earlier answer of the same node
    - an answer that is older than the min_seq of its request
    - an item whose content is not that of the answer's seq: a write was lost or skipped, or was refused
      and applied all the same
    - a list with an item that was deleted, hidden or seen at the list's seq

A write has one of three outcomes. "ok": acknowledged, with its seq. "refused": it must not be applied.
"unknown": no answer came, or `outcome_unknown`; it may have been applied at any time since, or never.
Where unknown writes leave several states possible, each of them is allowed.
"""

import bisect
from collections import defaultdict
from dataclasses import dataclass, field

OK, REFUSED, UNKNOWN = "ok", "refused", "unknown"
ABSENT = ("absent",)


def present(title, hidden=False):
    return ("present", title, hidden)


@dataclass
class Write:
    """One write with all its repeats. `changes` maps each changed thing to its new state: ("item", id) to
    ABSENT or present(...), ("seen", user, item) to True, ("erased", user) to True."""

    changes: dict
    start: float
    end: float = 0.0
    outcome: str = UNKNOWN
    seq: int = None
    seqs: set = field(default_factory=set)  # of every answer to it


@dataclass
class Read:
    """One answer. `items` maps ids to ABSENT or present(...); `listed` are the items of `user`'s list. A 404
    names no seq: its own is one from `first` to `seq`."""

    node: int
    start: float
    end: float
    seq: int
    asked: int = 0  # min_seq
    items: dict = field(default_factory=dict)
    user: str = None
    listed: tuple = ()
    first: int = None


@dataclass
class History:
    first: dict  # thing -> value before the first write
    writes: list = field(default_factory=list)
    reads: list = field(default_factory=list)
    acknowledged: list = field(default_factory=list)  # (node, end, seq) of every answered write


class Timeline:
    """The states of one item, interaction or user by seq, as far as the calls tell."""

    def __init__(self, first):
        self.known, self.unknown, self.first = [], [], first

    def add(self, write, value):
        if write.outcome == OK:
            self.known.append((write.seq, value))
        elif write.outcome == UNKNOWN:
            self.unknown.append((write.start, value))

    def sort(self):
        self.known.sort(key=lambda event: event[0])

    def possible(self, seq, until, first=None):
        """Every value that it may have in an answer of this seq (or one from `first` to it) that was
        complete at `until`."""
        index = bisect.bisect_right(self.known, seq if first is None else first, key=lambda event: event[0])
        values = {self.known[index - 1][1] if index else self.first}
        values |= {value for at, value in self.known[index:] if at <= seq}
        return values | {value for start, value in self.unknown if start < until}


def timelines(history):
    lines = {thing: Timeline(value) for thing, value in history.first.items()}
    for write in history.writes:
        for thing, value in write.changes.items():
            if thing not in lines:
                lines[thing] = Timeline(ABSENT if thing[0] == "item" else False)
            lines[thing].add(write, value)
    for line in lines.values():
        line.sort()
    return lines


def judge_order(history):
    problems, owners = [], {}
    for write in history.writes:
        if len(write.seqs) > 1:
            problems.append(f"applied twice: {write.changes} has the seqs {sorted(write.seqs)}")
        if write.outcome == OK:
            other = owners.setdefault(write.seq, write)
            if other is not write:
                problems.append(f"seq {write.seq} belongs to {other.changes} and to {write.changes}")
    done = sorted((w for w in history.writes if w.outcome == OK), key=lambda w: w.end)
    ends, highest = [w.end for w in done], []
    for w in done:
        highest.append(w if not highest or w.seq > highest[-1].seq else highest[-1])
    for w in done:
        before = bisect.bisect_left(ends, w.start)
        if before and highest[before - 1].seq > w.seq:
            problems.append(f"seq {w.seq} of {w.changes} began after seq {highest[before - 1].seq} was acknowledged")
    return problems


def judge_nodes(history):
    """Checks that a node's answers, to reads and to writes, never go back to an older seq."""
    problems, answers = [], defaultdict(list)
    for node, end, seq in history.acknowledged:
        answers[node].append((float("-inf"), end, seq))  # an unread write has the age of its group
    for r in history.reads:
        answers[r.node].append((r.start, r.end, r.seq))
        if r.seq < r.asked:
            problems.append(f"node {r.node} answered at seq {r.seq}, asked for {r.asked}")
    for node, all_of_it in answers.items():
        by_end = sorted(all_of_it, key=lambda a: a[1])
        ends, highest = [a[1] for a in by_end], []
        for a in by_end:
            highest.append(max(a[2], highest[-1] if highest else 0))
        for start, _, seq in all_of_it:
            before = bisect.bisect_left(ends, start)
            if before and highest[before - 1] > seq:
                problems.append(f"node {node} went back from seq {highest[before - 1]} to {seq}")
    return problems


def seen_for_sure(lines, user, item, seq, until):
    """True if the user certainly has the item at `seq`: bought by then, and not erased since."""
    line = lines.get(("seen", user, item))
    if line is None or line.possible(seq, until) != {True}:
        return False
    bought = max((s for s, _ in line.known if s <= seq), default=0)
    erased = lines.get(("erased", user))
    return erased is None or not (erased.unknown or any(bought <= s <= seq for s, _ in erased.known))


def judge_reads(history, lines):
    problems = []
    for r in history.reads:
        for item, value in r.items.items():
            line = lines.get(("item", item))
            allowed = line.possible(r.seq, r.end, r.first) if line else {history.first.get(("item", item), ABSENT)}
            if value not in allowed:
                problems.append(f"node {r.node} at seq {r.seq}: item {item} is {value}, may be {sorted(allowed)}")
        for item in r.listed:
            line = lines.get(("item", item))
            allowed = line.possible(r.seq, r.end) if line else {present(None)}
            if all(value == ABSENT or value[2] for value in allowed):
                problems.append(f"node {r.node} at seq {r.seq}: the list of {r.user} has {item}, which is {sorted(allowed)}")
            if seen_for_sure(lines, r.user, item, r.seq, r.end):
                problems.append(f"node {r.node} at seq {r.seq}: the list of {r.user} has {item}, which they bought")
    return problems


def judge(history):
    """Returns a sentence for every contradiction; an empty list if the history is consistent."""
    return judge_order(history) + judge_nodes(history) + judge_reads(history, timelines(history))
