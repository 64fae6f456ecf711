# SPDX-License-Identifier: Apache-2.0
"""The judge finds every kind of contradiction that is put into a consistent history."""

import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import harness  # noqa: E402
import history as h  # noqa: E402


def true_history(seed, writes=400):
    """Makes a consistent history: one write after the other, each read later at another node. Every 20th outcome is unknown."""
    rng, it = random.Random(seed), h.History(first={("item", "i0"): h.present("as made")})
    state, seen, erased_at, seq, now = {"i0": h.present("as made")}, {}, {}, 0, 0.0
    for n in range(writes):
        now, user, item = now + 1, f"u{rng.randrange(4)}", f"i{rng.randrange(6)}"
        kind = rng.choice(("put", "put", "hide", "delete", "buy", "buy", "erase"))
        value = {"put": h.present(f"t{n}"), "hide": h.present(f"t{n}", True), "delete": h.ABSENT}.get(kind)
        thing = ("seen", user, item) if kind == "buy" else ("erased", user) if kind == "erase" else ("item", item)
        write = h.Write({thing: True if value is None else value}, now, now + 0.5)
        it.writes.append(write)
        if n % 20 != 19 or kind in ("buy", "erase"):
            seq += 1
            write.outcome, write.seq, write.seqs = h.OK, seq, {seq}
            it.acknowledged.append((n % 3, write.end, seq))
            if value is not None:
                state[item] = value
            elif kind == "buy":
                seen.setdefault(user, set()).add(item)
            else:
                seen.pop(user, None)
        shown = [i for i, v in state.items() if v != h.ABSENT and not v[2] and i not in seen.get(user, ())]
        it.reads.append(h.Read(node=n % 3, start=now + 0.6, end=now + 0.7, seq=seq, asked=seq,
                               items={i: state.get(i, h.ABSENT) for i in ("i0", item)}, user=user, listed=tuple(shown)))
    return it


class Judge(harness.TestCase):
    def assert_found(self, history, words):
        found = h.judge(history)
        self.assertTrue(any(words in problem for problem in found), found[:3])

    def test_a_true_history_has_no_contradiction(self):
        for seed in range(20):
            self.assertEqual(h.judge(true_history(seed)), [])

    def ok(self, it, kind):
        return [w for w in it.writes if w.outcome == h.OK and next(iter(w.changes))[0] == kind]

    def test_a_lost_write_is_found(self):
        """An acknowledged write is lost: later reads show the state before it."""
        for seed in range(10):
            it = true_history(seed)
            lost = self.ok(it, "item")[10]
            item = next(iter(lost.changes))[1]
            for r in it.reads:
                if r.items.get(item) == lost.changes[("item", item)]:
                    r.items[item] = h.present("of before")
            self.assert_found(it, "may be")

    def test_a_skipped_write_is_found_on_the_node_that_skipped_it(self):
        it = true_history(1)
        hidden = next(r for r in it.reads if any(v != h.ABSENT and v[2] for v in r.items.values()))
        item = next(i for i, v in hidden.items.items() if v != h.ABSENT and v[2])
        hidden.listed += (item,)
        self.assert_found(it, "the list of")

    def test_an_acknowledgement_before_the_read_back_is_found(self):
        """A node goes back: it acknowledges seq 7 and answers a later read at seq 6."""
        it = true_history(2)
        read = it.reads[200]
        it.acknowledged.append((read.node, read.start - 0.01, read.seq + 1))
        self.assert_found(it, "went back")

    def test_a_repeat_that_was_applied_twice_is_found(self):
        it = true_history(3)
        it.writes[50].seqs.add(10**6)
        self.assert_found(it, "applied twice")

    def test_two_writes_of_one_seq_are_found(self):
        it = true_history(4)
        done = self.ok(it, "seen")
        done[5].seq = done[9].seq
        self.assert_found(it, "belongs to")

    def test_a_seq_below_one_that_was_acknowledged_before_is_found(self):
        it = true_history(5)
        done = [w for w in it.writes if w.outcome == h.OK]
        done[20].seq, done[30].seq = done[30].seq, done[20].seq
        self.assert_found(it, "was acknowledged")

    def test_an_answer_older_than_asked_is_found(self):
        it = true_history(6)
        it.reads[100].asked = it.reads[100].seq + 1
        self.assert_found(it, "asked for")

    def test_a_bought_item_in_a_list_is_found(self):
        it = true_history(7)
        bought = next(w for w in self.ok(it, "seen") if w.seq > 30)
        _, user, item = next(iter(bought.changes))
        late = h.Read(node=0, start=bought.end + 0.01, end=bought.end + 0.02, seq=bought.seq, user=user, listed=(item,))
        it.writes.append(h.Write({("item", item): h.present("back")}, bought.start - 2, bought.start - 1.9, h.OK, bought.seq, {bought.seq}))
        it.reads.append(late)
        self.assert_found(it, "which they bought")

    def test_a_refused_write_that_shows_is_found(self):
        it = true_history(8)
        refused = self.ok(it, "item")[15]
        refused.outcome, refused.seq, refused.seqs = h.REFUSED, None, set()
        self.assert_found(it, "may be")


if __name__ == "__main__":
    harness.main()
