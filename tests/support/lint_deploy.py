#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that the programs for which the files of deploy/ are made accept them, and that the files fit this binary.

systemd, docker-compose and Prometheus judge their own files; what an engine or a cluster would have
to judge is compared with the binary's configuration table and with openapi.yaml. Names another
folder to check copies of the files: lint_deploy.py [FOLDER]."""

import os
import re
import subprocess
import sys
import tempfile

import yaml

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import contract  # noqa: E402

STAIR = os.environ.get("STAIR", os.path.join(contract.ROOT, "build", "release", "stair"))
DEPLOY = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.path.join(contract.ROOT, "deploy")
# The largest exposure that `systemd-analyze security` may find, on a scale to 100. What remains comes from the network,
# AF_UNIX, and a root file system that is only read-only.
EXPOSURE_MAX = 20
INSTALLED_AS = "/usr/local/bin/stair"
problems = []


def read(name):
    with open(os.path.join(DEPLOY, name), encoding="utf-8") as f:
        return f.read()


def run(*command, env=None):
    """Runs a program; returns its exit status and its output."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False,
                          env={**os.environ, **(env or {})})
    return done.returncode, (done.stdout + done.stderr).strip()


def table():
    """The configuration table of the binary: key -> (environment name, default)."""
    status, text = run(STAIR, "--help-markdown")
    rows = {}
    for line in text.splitlines():
        cells = [cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
        if status == 0 and len(cells) == 5 and cells[1].startswith("STAIR_"):
            rows[cells[0]] = (cells[1], cells[3])
    if not rows:
        raise SystemExit(f"{STAIR} --help-markdown: exit status {status}, no table: {text[:200]}")
    return rows


def seconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(ms|s|m|min|h|)", str(text)).groups()
    return float(number) * {"ms": 1e-3, "s": 1, "": 1, "m": 60, "min": 60, "h": 3600}[unit]


class Command:
    """Reads the command line `serve --flag value ...` and the environment of a deployment."""

    def __init__(self, where, words, environment, known):
        self.known, self.given = known, {}
        if not words or words[0] != "serve":
            problems.append(f"{where}: the command is {words}, not serve")
        at = 1
        while at < len(words):
            flag = re.fullmatch(r"--([a-z-]+)(?:=(.*))?", words[at])
            if flag is None:
                problems.append(f"{where}: {words[at]} is no flag")
                break
            key = flag.group(1).replace("-", "_")
            value = flag.group(2)
            if value is None and at + 1 < len(words) and not words[at + 1].startswith("--"):
                at += 1
                value = words[at]
            if key not in known and key != "config":
                problems.append(f"{where}: stair serve has no --{flag.group(1)}")
            self.given[key] = value
            at += 1
        names = {row[0]: key for key, row in known.items()}
        for name, value in environment.items():
            if name in names:
                self.given.setdefault(names[name], value)
            elif name.startswith("STAIR_") and name != "STAIR_CONFIG":
                problems.append(f"{where}: stair serve does not read {name}")

    def value(self, key):
        return self.given.get(key) or self.known[key][1]

    def port(self, key):
        return int(self.value(key).rsplit(":", 1)[1]) if self.value(key) else None

    def stop_seconds(self):
        return seconds(self.value("drain_delay")) + seconds(self.value("stop_timeout"))

    def check_reachable(self, where):
        """Reports what `stair serve` would refuse: an address that other machines reach, without keys."""
        if not self.value("listen").startswith(("127.", "[::1]", "localhost")) and "keys" not in self.given:
            problems.append(f"{where}: listens on {self.value('listen')} without keys")


def systemd(known):
    # An instance of stair@.service is one shop of several.
    for name, installed_as in (("stair.service", "stair.service"), ("stair@.service", "stair@shop.service")):
        service(name, installed_as, known)


def service(name, installed_as, known):
    unit = read(name)
    found = re.search(r"^ExecStart=(\S+) (.*)$", unit, re.M)
    if found is None or found.group(1) != INSTALLED_AS:
        problems.append(f"{name}: ExecStart is not {INSTALLED_AS}, where make install puts it")
        return
    command = Command(name, found.group(2).split(), {}, known)
    stop = re.search(r"^TimeoutStopSec=(.*)$", unit, re.M)
    if stop is None or seconds(stop.group(1)) <= command.stop_seconds():
        problems.append(f"{name}: TimeoutStopSec is not above the {command.stop_seconds():g} s that a stop may take")
    if "\nType=notify\n" not in unit or "\nWatchdogSec=" not in unit:
        problems.append(f"{name}: not Type=notify with a watchdog")
    with tempfile.TemporaryDirectory(prefix="stair-deploy-") as folder:
        path = os.path.join(folder, installed_as)
        with open(path, "w", encoding="utf-8") as f:
            f.write(unit.replace(INSTALLED_AS, STAIR))
        # The program only warns of unknown members, so any output counts as a failure.
        status, said = run("systemd-analyze", "verify", "--man=no", path)
        if status != 0 or said:
            problems.append(f"{name}: systemd-analyze verify: {status} {said}")
        exposure(path)


def exposure(path):
    status, said = run("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", path,
                       env={"SYSTEMD_COLORS": "0"})
    if status != 0 or "exposure level" not in said:
        problems.append(f"systemd-analyze security, at most {EXPOSURE_MAX / 10}: {status} {said[-400:]}")


def timers():
    """The other units: systemd accepts them, and they run the installed binary."""
    for name, installed_as in (("stair-snapshot", "stair-snapshot"), ("stair-snapshot@", "stair-snapshot@shop")):
        with tempfile.TemporaryDirectory(prefix="stair-deploy-") as folder:
            paths = []
            for kind in (".service", ".timer"):
                paths.append(os.path.join(folder, installed_as + kind))
                with open(paths[-1], "w", encoding="utf-8") as f:
                    f.write(read(name + kind).replace(INSTALLED_AS, STAIR))
            status, said = run("systemd-analyze", "verify", "--man=no", *paths)
            if status != 0 or said:
                problems.append(f"{name}: systemd-analyze verify: {status} {said}")
            exposure(paths[0])
        if INSTALLED_AS not in read(name + ".service"):
            problems.append(f"{name}.service: does not run {INSTALLED_AS}")
    # The snapshot unit for one of several shops does the same as that for a single shop, in another folder.
    settings = [[line for line in read(name).splitlines() if not line.startswith(("#", "Description="))]
                for name in ("stair-snapshot.service", "stair-snapshot@.service")]
    if [line.replace("/var/lib/stair", "/var/lib/stair/%i") for line in settings[0]] != settings[1]:
        problems.append("stair-snapshot@.service: differs from stair-snapshot.service by more than the folder")
    status, said = run("amtool", "check-config", os.path.join(DEPLOY, "alertmanager.yml"))
    if status != 0:
        problems.append(f"amtool check-config: {status} {said}")


def compose(known):
    path = os.path.join(DEPLOY, "compose.yaml")
    status, said = run("docker-compose", "-f", path, "config", "-q")
    if status != 0 or said:
        problems.append(f"docker-compose config: {status} {said}")
        return
    document = yaml.safe_load(read("compose.yaml"))
    service = document["services"]["stair"]
    command = Command("compose.yaml", service.get("command", ["serve"]), service["environment"], known)
    command.check_reachable("compose.yaml")
    train = document["services"]["train"]
    training("compose.yaml", train, service, train["volumes"], service["volumes"])
    if seconds(service["stop_grace_period"]) <= command.stop_seconds():
        problems.append(f"compose.yaml: stop_grace_period is not above {command.stop_seconds():g} s")
    for port in service["ports"]:
        if int(port.rsplit(":", 1)[1]) != command.port("listen"):
            problems.append(f"compose.yaml: {port} does not lead to {command.value('listen')}")
    wanted = f"stair:{command.port('listen')}"
    scraped = yaml.safe_load(read("prometheus.yml"))["scrape_configs"][0]
    if wanted not in scraped["static_configs"][0]["targets"]:
        problems.append(f"prometheus.yml: does not scrape {wanted}, where compose.yaml has the service")
    secret = os.path.basename(scraped["authorization"]["credentials_file"])
    if secret not in document["services"]["prometheus"]["secrets"]:
        problems.append(f"prometheus.yml: the secret {secret} is not given to it in compose.yaml")


def training(file, container, service, mounts, wanted):
    """A training job: the service's image and volume, and options that `stair train` has."""
    args = container.get("args", container.get("command"))
    status, said = run(STAIR, "train", "--help")
    for argument in args[1:]:
        if argument.startswith("--") and not re.search(rf"^  {argument}\b", said, re.M):
            problems.append(f"{file}: stair train has no {argument}")
    for what, good in (("it trains", status == 0 and args[0] == "train"),
                       ("the training's image is the service's", container["image"] == service["image"]),
                       ("the training has the service's volume", mounts == wanted)):
        if not good:
            problems.append(f"{file}: not so: {what}")


def probe(name, container, ports):
    at = container[name]["httpGet"]
    template, methods = contract.load().find(at["path"])
    if template is None or methods["get"]["x-role"] != "open":
        problems.append(f"kubernetes.yaml: {name} asks {at['path']}, which is no path that is open without a key")
    if ports.get(at["port"]) != "admin_listen":
        problems.append(f"kubernetes.yaml: {name} asks the port {at['port']}, which is not that of --admin-listen: TLS would break it")


def kubernetes(known):
    documents = {d["kind"]: d for d in yaml.safe_load_all(read("kubernetes.yaml"))}
    if not {"Service", "StatefulSet", "PodDisruptionBudget"} <= set(documents):
        problems.append(f"kubernetes.yaml: {sorted(documents)} lacks a Service, a StatefulSet or a PodDisruptionBudget")
        return
    service, whole = documents["Service"]["spec"], documents["StatefulSet"]["spec"]
    template = whole["template"]
    pod, container = template["spec"], template["spec"]["containers"][0]
    environment = {e["name"]: e.get("value") for e in container["env"]}
    command = Command("kubernetes.yaml", container["args"], environment, known)
    command.check_reachable("kubernetes.yaml")
    listens = {command.port(key): key for key in ("listen", "admin_listen")}
    ports = {}
    for port in container["ports"]:
        ports[port["name"]] = listens.get(port["containerPort"])
        if ports[port["name"]] is None:
            problems.append(f"kubernetes.yaml: nothing listens on containerPort {port['containerPort']}")
    if ports.get(service["ports"][0]["targetPort"]) != "listen":
        problems.append(f"kubernetes.yaml: the Service leads to {service['ports'][0]['targetPort']}, not to --listen")
    scraped = int(template["metadata"]["annotations"]["prometheus.io/port"])
    if listens.get(scraped) != "admin_listen":
        problems.append(f"kubernetes.yaml: prometheus.io/port {scraped} is not that of --admin-listen")
    monitor = yaml.safe_load(read("servicemonitor.yaml"))["spec"]
    if ports.get(next((p["targetPort"] for p in service["ports"] if p["name"] == monitor["endpoints"][0]["port"]), None)) != "admin_listen":
        problems.append("servicemonitor.yaml: does not scrape the Service's port of --admin-listen")
    if not monitor["selector"]["matchLabels"].items() <= documents["Service"]["metadata"]["labels"].items():
        problems.append("servicemonitor.yaml: does not select the Service of kubernetes.yaml")
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe(name, container, ports)
    for what, good in (("replicas is 1", whole["replicas"] == 1),
                       ("the image has a version", not container["image"].endswith(":latest") and ":" in container["image"]),
                       ("enableServiceLinks is false", pod.get("enableServiceLinks") is False),
                       ("the Service's selector is the pod's labels",
                        service["selector"].items() <= template["metadata"]["labels"].items()),
                       ("serviceName is the Service", whole["serviceName"] == documents["Service"]["metadata"]["name"]),
                       ("the store's path is a mount",
                        command.value("store") in [m["mountPath"] for m in container["volumeMounts"]]),
                       ("every mount has its volume", {m["name"] for m in container["volumeMounts"]} ==
                        {v["name"] for v in pod["volumes"]} | {c["metadata"]["name"] for c in whole["volumeClaimTemplates"]})):
        if not good:
            problems.append(f"kubernetes.yaml: not so: {what}")
    job = yaml.safe_load(read("kubernetes-train.yaml"))["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    claim = f"{whole['volumeClaimTemplates'][0]['metadata']['name']}-{documents['StatefulSet']['metadata']['name']}-0"
    training("kubernetes-train.yaml", job["containers"][0], container,
             job["volumes"][0]["persistentVolumeClaim"]["claimName"], claim)
    if job["securityContext"]["runAsUser"] != pod["securityContext"]["runAsUser"]:
        problems.append("kubernetes-train.yaml: does not run as the service's user")
    before = container["lifecycle"]["preStop"]["exec"]["command"]
    needed = float(before[1]) + command.stop_seconds()
    if before[0] != "sleep" or pod["terminationGracePeriodSeconds"] <= needed:
        problems.append(f"kubernetes.yaml: terminationGracePeriodSeconds is not above {needed:g} s: preStop, drain, stop")


def nats_server():
    """The cluster's NATS configuration is one that nats-server takes, and syncs every message."""
    text = read("cluster/nats.conf")
    if not re.search(r"^\s*sync_interval: always$", text, re.M):
        problems.append("cluster/nats.conf: no sync_interval: always, so acknowledged writes can be lost")
    status, program = run(os.path.join(contract.ROOT, "tests", "support", "nats_server.sh"))
    if status != 0:
        print(f"NOT RUN: nats-server on cluster/nats.conf: {program}")
        return
    status, said = run(program, "-c", os.path.join(DEPLOY, "cluster", "nats.conf"), "-t", env={"NATS_NAME": "nats-1"})
    if status != 0:
        problems.append(f"nats-server -t: {status} {said}")


def balancer(nodes, port):
    """HAProxy takes its file, asks for readiness, knows every node, and repeats reads alone."""
    status, said = run("haproxy", "-c", "-f", os.path.join(DEPLOY, "cluster", "haproxy.cfg"))
    if status != 0:
        problems.append(f"haproxy -c: {status} {said}")
    text = read("cluster/haproxy.cfg")
    servers = dict(re.findall(r"^\s*server (\S+) (\S+)$", text, re.M))
    if servers != {name: f"{name}:{port}" for name in nodes}:
        problems.append(f"cluster/haproxy.cfg: its servers are {servers}, the nodes are {sorted(nodes)} at port {port}")
    for line in ("option httpchk GET /health/ready", "http-request disable-l7-retry unless METH_GET"):
        if line not in text:
            problems.append(f"cluster/haproxy.cfg: lacks `{line}`")


def several_nodes(known):
    """Compose and Kubernetes files of a cluster: the nodes' names differ, and every address belongs to a service."""
    status, said = run("docker-compose", "-f", os.path.join(DEPLOY, "cluster", "compose.yaml"), "config")
    if status != 0:
        problems.append(f"docker-compose config of cluster/compose.yaml: {status} {said}")
        return
    services = yaml.safe_load(said)["services"]
    servers = {name: s for name, s in services.items() if "NATS_NAME" in s.get("environment", {})}
    nodes = {name: s for name, s in services.items() if "STAIR_CLUSTER" in s.get("environment", {})}
    for name, node in nodes.items():
        command = Command(f"cluster/compose.yaml, {name}", node.get("command", ["serve"]), node["environment"], known)
        command.check_reachable("cluster/compose.yaml")
        port = command.port("listen")
        if command.value("cluster") != ",".join(f"nats://{one}:4222" for one in sorted(servers)):
            problems.append(f"cluster/compose.yaml: {name} is led to {command.value('cluster')}")
        if command.value("cluster_node") != name:
            problems.append(f"cluster/compose.yaml: {name} calls itself {command.value('cluster_node')}")
    for name, server in servers.items():
        if server["environment"]["NATS_NAME"] != name or f"nats-route://{name}:6222" not in read("cluster/nats.conf"):
            problems.append(f"cluster/compose.yaml: {name} is none of the routes of nats.conf")
    for kind, found in (("nodes", nodes), ("NATS servers", servers)):
        volumes = [str(v) for s in found.values() for v in s["volumes"] if "/data" in str(v)]
        if len(found) != 3 or len(set(volumes)) != 3:
            problems.append(f"cluster/compose.yaml: not three {kind} with a volume each: {volumes}")
    nats_server()
    balancer(nodes, port)
    kinds = {d["kind"]: d for d in yaml.safe_load_all(read("cluster/kubernetes.yaml"))}
    whole = kinds["StatefulSet"]["spec"]
    container = whole["template"]["spec"]["containers"][0]
    command = Command("cluster/kubernetes.yaml", container["args"], {e["name"]: e.get("value") for e in container["env"]}, known)
    spread = whole["template"]["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0]
    for what, good in (("three replicas, one of which may be away", whole["replicas"] == 3 and
                        kinds["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1),
                       ("every node on a machine of its own", spread["topologyKey"] == "kubernetes.io/hostname"),
                       ("nodes join", command.value("cluster_join") == "yes"),
                       ("probes ask the admin address", {p["containerPort"] for p in container["ports"]} ==
                        {command.port("listen"), command.port("admin_listen")})):
        if not good:
            problems.append(f"cluster/kubernetes.yaml: not so: {what}")


def prometheus():
    with tempfile.TemporaryDirectory(prefix="stair-deploy-") as folder:
        key = os.path.join(folder, "key")
        for name in ("prometheus-rules.yml", "prometheus.yml"):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                f.write(re.sub(r"(credentials_file: ).*", r"\g<1>" + key, read(name)))
        with open(key, "w", encoding="ascii"):
            pass
        status, said = run("promtool", "check", "config", os.path.join(folder, "prometheus.yml"))
        if status != 0 or "rules found" not in said:
            problems.append(f"promtool check config: {status} {said}")


def alerts():
    """Every alert has a row in the run-book that says what it means and what to do, and a test."""
    named = re.findall(r"^\s*- alert: (\w+)$", read("prometheus-rules.yml"), re.M)
    rows = {cells[0]: cells[1:] for cells in
            ([c.strip() for c in line.strip("|").split("|")] for line in read("../docs/operations.md").splitlines()
             if line.startswith("| Stair"))}
    tested = read("prometheus-rules.test.yml") + read("prometheus-rules-days.test.yml")
    for name in named:
        if len(rows.get(name, [])) != 2 or not all(rows[name]):
            problems.append(f"docs/operations.md: no row that says what {name} means and what to do")
        if not re.search(rf"alertname: {name}\b.*\n?.*exp_alerts", tested):
            problems.append(f"prometheus-rules.test.yml, prometheus-rules-days.test.yml: nothing makes {name} fire")
    for name in sorted(set(rows) - set(named)):
        problems.append(f"docs/operations.md: there is no alert {name}")


def libraries():
    """Returns the package of each library that the binary itself needs."""
    _, needed = run("readelf", "-d", STAIR)
    _, found = run("ldd", STAIR)
    for name in re.findall(r"\(NEEDED\).*\[(.+)\]", needed):
        path = re.search(rf"^\s*{re.escape(name)} => (\S+)", found, re.M)
        if path is None:
            continue  # the loader itself
        # The package may have been built with a path from before /lib moved into /usr.
        real = os.path.realpath(path.group(1))
        for spelt in (real, real.removeprefix("/usr")):
            status, said = run("dpkg", "-S", spelt)
            if status == 0:
                yield name, said.split(":")[0]
                break
        else:
            problems.append(f"Dockerfile: no package has {name} ({real})")


def dockerfile(known):
    with open(os.path.join(DEPLOY, "..", "Dockerfile"), encoding="utf-8") as f:
        text = f.read()
    environment = dict(re.findall(r"\b(STAIR_\w+)=(\S+)", text))
    command = Command("Dockerfile", ["serve"], environment, known)
    command.check_reachable("Dockerfile")
    if f"\nEXPOSE {command.port('listen')}\n" not in text:
        problems.append(f"Dockerfile: does not EXPOSE the port of {command.value('listen')}")
    installed = set(re.sub(r"[\\\s]+", " ", text.rpartition("FROM ")[2]).split(" "))
    # The image is of Debian 12. Elsewhere a library's package has another number, and t64 in its name.
    with open("/etc/debian_version", encoding="ascii") as f:
        of_the_image = f.read().startswith("12.")
    known_as = (lambda package: package) if of_the_image else (lambda package: re.sub(r"\d+(t64)?(?=-|$)", "", package))
    installed = {known_as(package) for package in installed}
    for name, package in libraries():
        if known_as(package) not in installed and package not in ("libc6", "libgcc-s1"):
            problems.append(f"Dockerfile: the binary needs {name}, and {package} is not installed")


def manpages():
    with tempfile.TemporaryDirectory(prefix="stair-deploy-") as folder:
        status, said = run(sys.executable, os.path.join(DEPLOY, "package", "manpages.py"), STAIR, folder)
        if status != 0:
            problems.append(f"manpages.py: {status} {said[-400:]}")
        for name in sorted(os.listdir(folder)):
            _, said = run("groff", "-man", "-Tutf8", "-ww", "-rLL=78n", "-z", os.path.join(folder, name))
            problems.extend(f"man page {name}: {line}" for line in said.splitlines())


def main():
    known = table()
    for check in (lambda: systemd(known), lambda: compose(known), lambda: kubernetes(known),
                  lambda: several_nodes(known), lambda: dockerfile(known), prometheus, alerts, timers, manpages):
        try:
            check()
        except (KeyError, IndexError, TypeError, AttributeError, ValueError, OSError, yaml.YAMLError) as error:
            # The file has an unexpected structure, or a program is missing.
            problems.append(f"{type(error).__name__}: {error}")
    for line in problems:
        print(line)
    return 1 if problems else 0


sys.exit(main())
