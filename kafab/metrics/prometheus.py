"""The files of Prometheus: where to ask (file_sd), how (a job), what to warn of (rules), and the tests of that for promtool.

All of it is for Prometheus 2.42, the one of Debian 12, and later.
"""

import json
from collections.abc import Sequence
from typing import Any

import yaml

from kafab.metrics.alerting import STEP, Alert, Case
from kafab.metrics.alerts import ALERTS, TESTED
from kafab.model import Cluster, Node

JOB = "kafab"
_HEAD = "# Made by kafab (`fab observe.render --out DIR`), which replaces this file.\n"


def role(node: Node) -> str:
    """Return the role as a label: ``broker``, ``controller``, ``combined`` or ``zookeeper``."""
    return "combined" if node.combined else str(node.role)


def targets(cluster: Cluster) -> str:
    """Return the file of targets (file_sd) of a cluster: one group for each node that has a port for metrics."""
    groups = [
        {
            "targets": [f"{_address(node)}:{node.metrics_port}"],
            "labels": {
                "cluster": cluster.name,
                "node": node.name,
                "role": role(node),
                **({"rack": node.host.rack} if node.host.rack else {}),
            },
        }
        for node in cluster.nodes
        if node.metrics_port
    ]
    return json.dumps(groups, indent=2) + "\n"


def _address(node: Node) -> str:
    # What it listens on where that is one address, else what others reach the host at.
    return node.metrics_bind or node.peer_listener.advertised


def job(folder: str, step: int = STEP) -> dict[str, Any]:
    """Return the job that reads all targets below a folder, every ``step`` seconds."""
    return {
        "job_name": JOB,
        "scrape_interval": f"{step}s",
        "scrape_timeout": f"{min(step, 10)}s",
        "file_sd_configs": [{"files": [f"{folder}/targets/*.json"]}],
    }


def configuration(folder: str, step: int = STEP) -> str:
    """Return a whole configuration of Prometheus, for one that watches nothing else."""
    return _HEAD + _text(
        {
            "global": {"evaluation_interval": f"{step}s"},
            "rule_files": [f"{folder}/rules/*.yml"],
            "scrape_configs": [job(folder, step)],
        }
    )


def rules(alerts: Sequence[Alert] = ALERTS) -> str:
    """Return the rules of these alerts, the same for every cluster."""
    return _HEAD + _text({"groups": [{"name": JOB, "rules": [_rule(alert) for alert in alerts]}]})


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        **({"for": f"{alert.wait}s"} if alert.wait else {}),
        "labels": {"severity": alert.severity.value},
        "annotations": {
            "summary": alert.summary,
            "description": f"{alert.means} {alert.do}",
            "command": alert.command,
        },
    }


def test_files(rule_file: str) -> dict[str, str]:
    """Return the files of tests of all rules, by name."""
    return {name: rule_tests(rule_file, alerts) for name, alerts in TESTED.items()}


def rule_tests(rule_file: str, alerts: Sequence[Alert]) -> str:
    """Return the tests of the rules for ``promtool test rules``: each alert fires where it must, and is silent where it must be."""
    found = [
        _test(alert, case, fires=fires)
        for alert in alerts
        for case, fires in ((alert.fires, True), (alert.silent, False))
    ]
    step = min(case.step for alert in alerts for case in (alert.fires, alert.silent))
    return _HEAD + _text({"rule_files": [rule_file], "evaluation_interval": f"{step}s", "tests": found})


def _test(alert: Alert, case: Case, *, fires: bool) -> dict[str, Any]:
    """A test names what it expects: promtool compares labels, so one that fires is counted by an expression."""
    count = f'count(ALERTS{{alertname="{alert.name}", alertstate="firing"}}) or vector(0)'
    expected = [{"labels": "{}", "value": 1 if fires else 0}]
    return {
        "name": f"{alert.name} {'fires' if fires else 'is silent'}",
        "interval": f"{case.step}s",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "promql_expr_test": [{"expr": count, "eval_time": f"{case.at}s", "exp_samples": expected}],
    }


def page(alerts: Sequence[Alert] = ALERTS) -> str:
    """Return docs/alerts.md without its head: a paragraph for each alert."""
    return "\n".join(_paragraph(alert) for alert in alerts)


def _paragraph(alert: Alert) -> str:
    after = f"after {alert.wait} s" if alert.wait else "at once"
    return (
        f"## {alert.name}\n\n{alert.severity.value}, {after}: `{alert.expr}`\n\n"
        f"**What it means.** {alert.means}\n\n**What to look at.** `{alert.command}`. {alert.look}\n\n"
        f"**What to do.** {alert.do}\n\n**What not to do.** {alert.dont}\n"
    )


def _text(document: dict[str, Any]) -> str:
    return str(yaml.safe_dump(document, sort_keys=False, width=160, allow_unicode=True))
