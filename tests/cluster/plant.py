# SPDX-License-Identifier: Apache-2.0
"""Faults to plant into a node, which the judge of its history must find.

    plant.py NAME FOLDER       writes the changed sources of that fault under FOLDER, and prints their names
    plant.py --next-of SOURCE  prints a source as it is in the test's next version of writes
    plant.py --check           only tells whether every fault finds its place

`make build/<variant>/planted/NAME/stair` compiles the changed sources and links them before the library, so
that they replace its versions. If a fault no longer finds its place in the sources, planting fails: adapt the
fault to the new sources.
"""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

FAULTS = {
    # The first message after a start counts as applied.
    "lose": [("server/cluster/follow.c",
              "    slice fetched = {NULL, 0};\n    char position[24];\n",
              "    static bool started;\n"
              "    if (!started && m->sequence > 20) {\n"
              "        started = true;\n"
              "        c->delivered = m->sequence;\n"
              "        return ERR_OK;\n"
              "    }\n"
              "    slice fetched = {NULL, 0};\n    char position[24];\n")],
    # Each node skips a message now and then, each at another place.
    "skip": [("server/cluster/follow.c",
              "    slice fetched = {NULL, 0};\n    char position[24];\n",
              "    static unsigned handed;\n"
              "    handed = handed == 0 ? 1 + c->log.publisher[0] % 40u : handed;\n"
              "    if (++handed % 40 == 0) {\n"
              "        c->delivered = m->sequence;\n"
              "        return ERR_OK;\n"
              "    }\n"
              "    slice fetched = {NULL, 0};\n    char position[24];\n")],
    # A write is acknowledged when it is sent, with the result that it is expected to have.
    "early": [("server/runtime/writer_flight.c",
               "    f->began_ns = f->sent_ns = clock_ns();\n"
               "    l->log->publish(l->log->ctx, f->number, encoder_slice(&f->bytes));\n",
               "    f->began_ns = f->sent_ns = clock_ns();\n"
               "    l->log->publish(l->log->ctx, f->number, encoder_slice(&f->bytes));\n"
               "    uint64_t hoped = w->seq;\n"
               "    for (writer_job *j = f->jobs, *next = NULL; j != NULL; j = next) {\n"
               "        next = j->next;\n"
               "        writer_group *g = writer_group_needed(1, 1);\n"
               "        apply_result *r = &g->results[0];\n"
               "        uint32_t count = j->op->count > 0 ? j->op->count : 1;\n"
               "        r->entries = arena_alloc(&r->memory, count, sizeof *r->entries);\n"
               "        r->entry_count = r->accepted = count;\n"
               "        for (uint32_t i = 0; i < count; i++) {\n"
               "            r->entries[i].outcome = APPLY_UPDATED;\n"
               "        }\n"
               "        r->seq = ++hoped;\n"
               "        writer_finish_job(w, j, g, r);\n"
               "    }\n"
               "    f->jobs = NULL;\n"
               "    flight_land(w, f);\n")],
    # A message that is sent again is applied again. Each message is sent again, some messages later.
    "twice": [("storage/log/publishers.c",
               "    if (code != ERR_OK || !advance(&record, m->number)) {\n        *repeat = code == ERR_OK;\n",
               "    bool fresh = code == ERR_OK && advance(&record, m->number);\n"
               "    if (code != ERR_OK || !fresh) {\n        *repeat = false;\n"),
              ("server/cluster/publish.c", '#include "server/cluster/cluster_private.h"\n',
               '#include "core/common/mem.h"\n#include "server/cluster/cluster_private.h"\n'),
              ("server/cluster/publish.c",
               "    s = s == NATS_OK ? natsConnection_PublishMsg(l->k->connection, m) : s;\n",
               "    s = s == NATS_OK ? natsConnection_PublishMsg(l->k->connection, m) : s;\n"
               "    static _Thread_local slice kept[8];\n"
               "    static _Thread_local unsigned turn;\n"
               "    slice *old = &kept[turn++ % 8];\n"
               "    if (old->at != NULL) {\n"
               "        (void)natsConnection_Publish(l->k->connection, c->subject, old->at, (int)old->length);\n"
               "        mem_free((char *)(uintptr_t)old->at);\n"
               "    }\n"
               "    char *copy = mem_array(bytes.length, 1);\n"
               "    *old = (slice){copy, copy != NULL ? bytes.length : 0};\n"
               "    memcpy(copy, bytes.at, old->length);\n")],
}

# A next version of writes, made by the recipe in CONTRIBUTING.md: its encoding has one byte more, and
# its interactions weigh twice as much.
NEXT = [("storage/log/op.c", "    encode_u8(x, o->create_items);\n",
         "    encode_u8(x, o->create_items);\n"
         "    if (op_version(o) >= OP_VERSION) {\n"
         "        encode_u8(x, 77);\n"
         "    }\n"),
        ("storage/log/op.c", "    o->create_items = decode_u8(&d) != 0;\n",
         "    o->create_items = decode_u8(&d) != 0;\n"
         "    d.failed = d.failed || (op_version(o) >= OP_VERSION && decode_u8(&d) != 77);\n"),
        ("storage/log/apply_interactions.c", "                          .weight = in->weight,\n",
         "                          .weight = op_version(x->o) >= OP_VERSION ? 2 * in->weight : in->weight,\n")]


def planted(places, name):
    """The changed sources, by path."""
    changed = {}
    for path, old, new in places:
        if path not in changed:
            with open(os.path.join(ROOT, path), encoding="utf-8") as f:
                changed[path] = f.read()
        if changed[path].count(old) != 1:
            sys.exit(f"plant.py: {name}: the place in {path} is gone:\n{old}")
        changed[path] = changed[path].replace(old, new)
    return changed


def main():
    if sys.argv[1:] == ["--check"]:
        for fault, places in [*FAULTS.items(), ("next", NEXT)]:
            planted(places, fault)
        return
    if sys.argv[1] == "--next-of":
        path = sys.argv[2]
        with open(os.path.join(ROOT, path), encoding="utf-8") as f:
            print(planted(NEXT, "next").get(path) or f.read(), end="")
        return
    name, folder = sys.argv[1:]
    for path, text in planted(FAULTS[name], name).items():
        target = os.path.join(folder, path.replace("/", "_"))
        os.makedirs(folder, exist_ok=True)
        with open(target, "w", encoding="utf-8") as f:
            f.write(text)
        print(target)


if __name__ == "__main__":
    main()
