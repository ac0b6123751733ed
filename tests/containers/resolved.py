"""Check what a resolved compose file promises: pins, users, limits, loopback ports, health checks, secrets.

docker compose -f ... config --format json | python tests/containers/resolved.py WHICH
"""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

RUN_ONCE = {"topics"}
# They write their configuration into the image's own folders when they start.
WRITABLE = {"kafka", "zookeeper"}
# Mongo Express knows no *_FILE for these.
SECRETS_BY_ENVIRONMENT = {
    ("mongo-express", "ME_CONFIG_BASICAUTH_PASSWORD"),
    ("mongo-express", "ME_CONFIG_SITE_COOKIESECRET"),
    ("mongo-express", "ME_CONFIG_SITE_SESSIONSECRET"),
}
ALWAYS = {
    "mosquitto", "kafka", "topics", "mongo", "bridge", "worker", "web", "analysis", "simulator", "mongo-express",
    "notify", "prometheus", "grafana",
}  # fmt: skip
SERVICES = {
    "plain": ALWAYS,
    "zookeeper": ALWAYS | {"zookeeper"},
    "outside": ALWAYS,
    "tls": ALWAYS,
}
PAGES = {("web", 3000), ("analysis", 8010), ("mongo-express", 8081), ("prometheus", 9090), ("grafana", 3000)}
PUBLISHED = {
    "plain": PAGES,
    "zookeeper": PAGES,
    "outside": PAGES | {("mosquitto", 1883), ("kafka", 9092)},
    "tls": PAGES | {("mosquitto", 8883)},
}


def faults(file: dict[str, Any], which: str) -> Iterator[str]:
    """Yield a sentence for each promise that the file breaks."""
    services = file["services"]
    if services.keys() != SERVICES[which]:
        yield f"the services must be {sorted(SERVICES[which])}, not {sorted(services)}"
    published = {(name, port["target"]) for name, each in services.items() for port in each.get("ports", ())}
    if published != PUBLISHED[which]:
        yield f"published must be {sorted(PUBLISHED[which])}, not {sorted(published)}"
    for name, service in services.items():
        for fault in service_faults(name, service):
            yield f"{name}: {fault}"
    for name, network in file["networks"].items():
        if name != "pages" and not network.get("internal"):
            yield f"network {name} must be internal"
    for name, secret in file["secrets"].items():
        if not secret.get("file"):
            yield f"secret {name} must come from a file"


def service_faults(name: str, service: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each promise that a service breaks."""
    if not re.search(r":\w*\d+\.\d+[\w.-]*$", service["image"]):
        yield f"the image must be pinned to a version, not {service['image']}"
    for port in service.get("ports", ()):
        if port.get("host_ip") != "127.0.0.1":
            yield f"port {port['published']} must be published on 127.0.0.1 only"
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", service.get("user", "")):
        yield "the user must be numeric and not root"
    if service.get("cap_drop") != ["ALL"] or service.get("cap_add"):
        yield "all capabilities must be dropped"
    if "no-new-privileges:true" not in service.get("security_opt", ()):
        yield "no-new-privileges must be set"
    if service.get("privileged") or service.get("network_mode") or service.get("pid"):
        yield "it must not share namespaces with the host"
    if not service.get("read_only") and name not in WRITABLE:
        yield "the root file system must be read-only"
    if not int(service.get("mem_limit", 0)) or not service.get("pids_limit"):
        yield "memory and processes must be limited"
    if "logging" not in service:
        yield "its logs must be limited"
    if name not in RUN_ONCE:
        if "test" not in service.get("healthcheck", {}) or service["healthcheck"].get("disable"):
            yield "it must have a health check"
        if service.get("restart") != "unless-stopped":
            yield "it must come back by itself"
        if "stop_grace_period" not in service and name != "mongo-express":
            yield "its stop grace period must be stated"
    for other, dependency in service.get("depends_on", {}).items():
        wanted = "service_completed_successfully" if other in RUN_ONCE else "service_healthy"
        if dependency["condition"] != wanted:
            yield f"it must wait for {other}: {wanted}"
    for variable in service.get("environment") or {}:
        secret = re.search(r"PASSWORD|SECRET|TOKEN|URI$", variable) and not variable.endswith("_FILE")
        if secret and (name, variable) not in SECRETS_BY_ENVIRONMENT:
            yield f"{variable} must come from a file"
    for volume in service.get("volumes", ()):
        if volume["type"] == "bind" and not volume.get("read_only"):
            yield f"{volume['target']} must be mounted read-only"


if __name__ == "__main__":
    found = list(faults(json.load(sys.stdin), sys.argv[1]))
    sys.exit("\n".join(found) or 0)
