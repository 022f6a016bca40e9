"""Dashboards and alert rules are sound without a server: files, layout, metric names, runbook, the rules' tests."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY, Metric

import streams.jobs.metrics
import streams.metrics
import streams.recommender_metrics
from api.metrics import Metrics
from personalize.dashboards import prometheus
from personalize.dashboards.all_dashboards import DASHBOARDS, FOLDER, texts
from personalize.dashboards.check import all_queries
from personalize.dashboards.expand import queries
from personalize.dashboards.panels import COLUMNS, PROMETHEUS, Dashboard, document

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
RULES = DEPLOY / "prometheus" / "rules" / "personalize.yml"
RULE_TESTS = DEPLOY / "prometheus" / "tests" / "personalize_test.yml"
RUNBOOK = DEPLOY.parent / "docs" / "runbook.md"
# What Prometheus, the client library and the API's own late registrations add.
OTHERS = {"up", "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"}
IN_DEPENDENCIES = re.compile(r'metrics\.(watch|count)\(\s*"(\w+)"')
ALLOWED_LABELS = {
    "route method status topic reason source interaction_type queue job_name outcome error kind metric window session "
    "consumergroup partition le list_type arm measure cache level verdict state"
}
NAME = re.compile(r"\b((?:personalize|kafka|process)_\w+|up)\b(?=[\[{) ]|$)")


def known_metrics() -> list[Metric]:
    return [*REGISTRY.collect(), *Metrics().registry.collect()]


def sample_names() -> set[str]:
    found = set(OTHERS)
    for metric in known_metrics():
        found |= {metric.name + ("_total" if metric.type == "counter" else "")}
        if metric.type == "histogram":
            found |= {f"{metric.name}_{part}" for part in ("bucket", "sum", "count")}
    for file in ("dependencies.py", "edge.py"):
        for kind, name in IN_DEPENDENCIES.findall((DEPLOY.parent / "api" / file).read_text(encoding="utf-8")):
            found.add(f"personalize_api_{name}" + ("_total" if kind == "count" else ""))
    return found


def test_the_files_are_what_the_code_makes() -> None:
    """`personalize dashboards write` would change nothing."""
    assert {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.json")} == texts()


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.name)
def test_panels_are_described_and_do_not_overlap(dashboard: Dashboard) -> None:
    made = document(dashboard)
    ids = [panel["id"] for panel in made["panels"]]
    assert len(set(ids)) == len(ids)
    places = [panel["gridPos"] for panel in made["panels"]]
    for place in places:
        assert 0 <= place["x"] < place["x"] + place["w"] <= COLUMNS
    for a, b in combinations(places, 2):
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, (a, b)
    for panel in dashboard.panels():
        assert panel.says.endswith("."), panel.title
        assert panel.queries


def test_uids_and_titles_are_unique() -> None:
    assert len({one.uid for one in DASHBOARDS}) == len(DASHBOARDS)
    for dashboard in DASHBOARDS:
        titles = [panel.title for panel in dashboard.panels()]
        assert len(set(titles)) == len(titles)


def test_data_sources_are_the_provisioned_ones() -> None:
    text = (DEPLOY / "grafana" / "provisioning" / "datasources" / "datasources.yaml").read_text(encoding="utf-8")
    provisioned = {(one["uid"], one["type"]) for one in yaml.safe_load(text)["datasources"]}
    for file in FOLDER.glob("*.json"):
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", ()):
                assert (target["datasource"]["uid"], target["datasource"]["type"]) in provisioned


def test_every_metric_that_is_asked_for_is_exported() -> None:
    """A misspelt name would only draw an empty panel, and an alert on it would never fire."""
    known = sample_names()
    texts_of_rules = [rule["expr"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    asked = [query.text for query in all_queries() if query.source == PROMETHEUS]
    for text in asked + texts_of_rules:
        without_strings = re.sub(r'"[^"]*"', '""', re.sub(r"(by|on) \([^)]*\)", "", text))
        names = set(NAME.findall(without_strings))
        assert names, text
        assert names <= known, names - known


def test_no_label_names_a_learner_or_content() -> None:
    allowed = set(" ".join(ALLOWED_LABELS).split())
    for metric in known_metrics():
        if metric.name.startswith(("personalize_", "kafka_")):
            for sample in metric.samples:
                assert set(sample.labels) <= allowed, metric.name
    for module in (streams.metrics, streams.jobs.metrics, streams.recommender_metrics):
        for made in vars(module).values():
            assert set(getattr(made, "_labelnames", ())) <= allowed


def test_a_macro_that_nothing_replaces_is_an_error(tmp_path: Path) -> None:
    target = {"datasource": {"uid": "postgres"}, "rawSql": "SELECT $__interval_ms", "format": "table"}
    file = tmp_path / "bad.json"
    panels = [{"title": "p", "targets": [target]}]
    file.write_text(json.dumps({"title": "t", "time": {"from": "now-1h"}, "panels": panels}), encoding="utf-8")
    with pytest.raises(ValueError, match="interval_ms"):
        list(queries(file, datetime.now(UTC)))


def test_every_alert_has_a_unit_test_and_a_section_of_the_runbook() -> None:
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    tested = [case for test in yaml.safe_load(RULE_TESTS.read_text())["tests"] for case in test["alert_rule_test"]]
    sections = set(re.findall(r"^## (\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE))
    for rule in rules:
        name = rule["alert"]
        assert name in sections
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"
        mine = [case for case in tested if case["alertname"] == name]
        assert any(case.get("exp_alerts") for case in mine), f"{name} is never seen to fire"
        assert any(not case.get("exp_alerts") for case in mine), f"{name} is never seen to keep still"
    assert sections == {rule["alert"] for rule in rules}


@pytest.mark.skipif(prometheus.program("promtool") is None, reason="promtool is not installed (apt install prometheus)")
def test_rules_pass_their_unit_tests() -> None:
    assert prometheus.test_rules() == []
