"""Rules and dashboards in docker/observe name only metrics, labels and jobs that exist, and the page lists the rules.

Whether Prometheus takes them, and raises what it should, promtool says in tests/containers/verify.sh.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridges.process import metrics
from streams.records.catalogue import CATALOGUE

ROOT = Path(__file__).parents[2]
OBSERVE = ROOT / "docker" / "observe"
BOARDS = sorted((OBSERVE / "grafana" / "dashboards").glob("*.json"))
# What Prometheus adds to every series, and to the buckets of a histogram.
ALWAYS = frozenset({"job", "instance"})
_NAME = re.compile(r"\b((?:weir|process|python)_\w+|up)\b")
_SELECTOR = re.compile(r"\b((?:weir|process|python)_\w+|up)\{([^}]*)\}")
_MATCHER = re.compile(r'(\w+)(=~|=|!=|!~)"([^"]*)"')
_FUNCTIONS = {
    "sum", "min", "by", "rate", "increase", "absent", "histogram_quantile", "or", "unless", "offset", "le",
}  # fmt: skip


def known_metrics() -> dict[str, frozenset[str]]:
    """Return the labels of each series that a process shows."""
    found = {"up": frozenset[str]()}
    for family in metrics.REGISTRY.collect():
        found |= {each.name: frozenset(each.labels) for each in family.samples}
    for each in vars(metrics).values():
        if hasattr(each, "_labelnames"):
            labels = frozenset(each._labelnames)
            if each._type == "histogram":
                found |= {f"{each._name}_{part}": labels for part in ("sum", "count")}
                found[f"{each._name}_bucket"] = labels | {"le"}
            else:
                found[each._name + ("_total" if each._type == "counter" else "")] = labels
    return found


KNOWN = known_metrics()


def rules() -> dict[str, str]:
    """Return the expression of each alert, read from the lines of the file."""
    text = (OBSERVE / "alerts.yml").read_text(encoding="utf-8")
    found = {}
    for part in text.split("- alert: ")[1:]:
        name = part.split()[0]
        folded = re.search(r"expr: (?:>-\n)?(.*?)\n        (?:for|labels):", part, re.DOTALL)
        assert folded, f"{name} has no expression"
        found[name] = " ".join(folded[1].split())
    return found


def panels(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["panels"]
    return found


def expressions() -> Iterator[tuple[str, str]]:
    yield from rules().items()
    for path in BOARDS:
        for panel in panels(path):
            for target in panel["targets"]:
                yield f"{path.stem}: {panel['title']}", target["expr"]


def jobs() -> dict[str, str]:
    """Return the jobs of the configuration, each with the service and port that it asks."""
    text = (OBSERVE / "prometheus.yml").read_text(encoding="utf-8")
    found = {}
    for part in text.split("- job_name: ")[1:]:
        if where := re.search(r'targets: \["([\w:]+)"\]', part):
            found[part.split()[0]] = where[1]
        elif where := re.search(r"names: \[(\w+)\], type: A, port: (\d+)", part):
            found[part.split()[0]] = f"{where[1]}:{where[2]}"
    return found


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_an_expression_names_only_metrics_labels_and_jobs_that_exist(where: str, expression: str) -> None:
    selectors = _SELECTOR.findall(expression)
    plain = re.sub(r'"[^"]*"', '""', expression)
    assert len(selectors) == len(_NAME.findall(plain)), f"{where}: a metric without its job"
    labels = set(ALWAYS)
    for name, matchers in selectors:
        assert name in KNOWN, f"{where}: there is no metric {name}"
        given = {label: value for label, _, value in _MATCHER.findall(matchers)}
        assert given.keys() <= KNOWN[name] | ALWAYS, f"{where}: {name} has no label of {sorted(given)}"
        assert set(given["job"].split("|")) <= jobs().keys(), f"{where}: there is no job {given['job']}"
        labels |= KNOWN[name]
        if "collection" in given:
            assert given["collection"] in {each.collection for each in CATALOGUE.kept}
    for group in re.findall(r"by \(([^)]*)\)", expression):
        assert {each.strip() for each in group.split(",")} <= labels, f"{where}: by {group}"
    words = set(re.findall(r"[a-z_]+", re.sub(r"\{[^}]*\}|\[[^]]*\]|by \([^)]*\)", "", plain)))
    strange = {each for each in words if not _NAME.fullmatch(each) and each not in _FUNCTIONS}
    assert strange <= {"h"}, f"{where}: {strange}"


def test_a_name_that_does_not_exist_would_be_seen() -> None:
    for wrong in (
        'weir_mqtt_connectd{job="bridge"}', 'weir_mqtt_connected{job="brige"}', "weir_mqtt_connected",
        'weir_mqtt_connected{job="bridge",topic="a"}', 'sum by (topic) (weir_mqtt_connected{job="bridge"})',
        'som(weir_mqtt_connected{job="bridge"})',
    ):  # fmt: skip
        with pytest.raises((AssertionError, KeyError)):
            test_an_expression_names_only_metrics_labels_and_jobs_that_exist("here", wrong)


def test_every_rule_says_how_bad_it_is_what_is_the_case_and_what_to_do_and_the_page_lists_it() -> None:
    text = (OBSERVE / "alerts.yml").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "howto" / "grafana.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `(Weir\w+)` \| (\w+) \|", page, re.MULTILINE))
    severities = {}
    for part in text.split("- alert: ")[1:]:
        name = part.split()[0]
        severity = re.search(r"labels: \{severity: (critical|warning)\}", part)
        assert severity and "summary: " in part and "description: " in part, name
        severities[name] = severity[1]
    assert listed == severities
    tested = (ROOT / "tests" / "containers" / "alerts.test.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"alertname: (\w+)\n +eval_time", tested)) == severities.keys(), (
        "each is raised once"
    )


def test_the_jobs_are_services_at_their_ports() -> None:
    compose = (ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8")
    assert jobs() == {
        "worker": "worker:3000", "bridge": "bridge:9108", "analysis": "analysis:8010", "notify": "notify:9111",
    }  # fmt: skip
    for name, where in jobs().items():
        assert f"\n  {name}:\n" in compose
        assert name == "worker" or f"http://127.0.0.1:{where.partition(':')[2]}/health/ready" in compose


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_whole_and_shows_the_source_that_is_provisioned(path: Path) -> None:
    board = json.loads(path.read_text(encoding="utf-8"))
    source = (OBSERVE / "grafana" / "provisioning" / "datasources" / "prometheus.yaml").read_text()
    uid = re.search(r"uid: (\S+)", source)
    assert uid
    assert board["uid"] and board["title"] and board["editable"] is False
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        assert panel["title"] and panel["description"], panel
        assert panel["datasource"]["uid"] == uid[1]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {uid[1]}
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken and max(x for x, _ in cells) < 24, f"{panel['title']} lies over another"
        taken |= cells


def test_what_the_services_mount_is_there() -> None:
    compose = (ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8")
    mounted = re.findall(r"- (\./observe/\S+?):", compose)
    assert len(mounted) == 4
    assert [each for each in mounted if not (ROOT / "docker" / each).exists()] == []
