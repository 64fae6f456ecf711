// SPDX-License-Identifier: Apache-2.0
// Kubernetes documents, as one JSON list on standard input, against the schemas of their kinds, which npm brings
// (lint_kubernetes.sh). An API server drops a member that its schema does not know; here it is a fault. The compiled
// schemas do not tell unknown members, but they never read them: what no schema has read is unknown.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

// watched gives a copy that takes what is read out of `unread`.
function watched(value, place, unread) {
    if (typeof value !== "object" || value === null) {
        return value;
    }
    const copy = Array.isArray(value) ? [] : {};
    for (const name of Object.keys(value)) {
        unread.add(`${place}/${name}`);
        copy[name] = watched(value[name], `${place}/${name}`, unread);
    }
    return new Proxy(copy, {
        get(from, name) {
            unread.delete(`${place}/${String(name)}`);
            return from[name];
        },
    });
}

async function schema(document) {
    const own = document.apiVersion.startsWith("monitoring.coreos.com/");
    const name = `${own ? "@kubernetes-models/prometheus-operator" : "kubernetes-models"}/${document.apiVersion}`;
    const file = path.resolve(process.argv[2], "node_modules", name, `${document.kind}.js`);
    return (await import(pathToFileURL(file)))[document.kind];
}

let faults = 0;
for (const document of JSON.parse(fs.readFileSync(0, "utf8"))) {
    const where = `${document.kind} ${document.metadata.name}`;
    const unread = new Set();
    try {
        const Kind = await schema(document);
        Kind.prototype.validate.call(watched(document, "", unread));
    } catch (error) {
        console.log(`${where}: ${error.message}`);
        faults++;
        continue;
    }
    for (const place of unread) {
        if (unread.has(path.dirname(place))) {
            continue; // its parent is told
        }
        console.log(`${where}: ${place} is no member of its schema`);
        faults++;
    }
}
process.exit(faults > 0 ? 1 : 0);
