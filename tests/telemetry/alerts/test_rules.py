"""The Prometheus rules: promtool's verdict, and the same thresholds and words as the engine's."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any

import yaml

from telemetry import used_share
from telemetry.alerts import pressure
from telemetry.alerts import rules as alert_rules
from telemetry.alerts.engine import HOLD_SECONDS
from telemetry.alerts.failures import RESUME_ADVICE
from telemetry.alerts.rate_of_rise import BEFORE_SECONDS, THIRD_SECONDS, THIRDS
from telemetry.alerts.rules import ALERTING, OF_PROMETHEUS, RULES
from telemetry.alerts.stalls import STALLED_ADVICE
from telemetry.limits import LIMITS, USED_BY
from telemetry.snapshot import STALE_SECONDS
from tests.support.paths import ROOT, TESTS

RULES_FILE = os.path.join(ROOT, "grafana", "rules", "foldwatch.yml")
PROMTOOL = [os.path.join(TESTS, "promtool", name) for name in ("alerts.yml", "deaths.yml")]
SECONDS = {"s": 1, "m": 60, "h": 3600}


def rules() -> list[dict[str, Any]]:
    with open(RULES_FILE, encoding="utf-8") as file:
        (group,) = yaml.safe_load(file)["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def seconds(duration: str) -> int:
    return int(duration[:-1]) * SECONDS[duration[-1]]


def test_promtool_accepts_rules_configuration_and_every_rule_s_test(promtool: str) -> None:
    """Syntax, and for each alert a silent and a firing time."""
    grafana = os.path.join(ROOT, "grafana")
    for arguments in (
        ["check", "rules", RULES_FILE],
        ["check", "config", os.path.join(grafana, "prometheus.yml")],
        ["test", "rules", *PROMTOOL],
    ):
        done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_silent_and_a_firing_time() -> None:
    """In the file that promtool tests."""
    tests: list[dict[str, Any]] = []
    for path in PROMTOOL:
        with open(path, encoding="utf-8") as file:
            groups = yaml.safe_load(file)["tests"]
        tests += [test for group in groups for test in group["alert_rule_test"]]
    fires = {test["alertname"] for test in tests if test["exp_alerts"]}
    is_silent = {test["alertname"] for test in tests if not test["exp_alerts"]}
    assert fires == is_silent == {*RULES, *OF_PROMETHEUS}


def test_alerts_severities_and_waits_are_the_engine_s() -> None:
    """One place for them: telemetry.alerts.alert_rules."""
    found = {
        name: (
            rule["labels"]["severity"],
            seconds(rule["for"]),
            seconds(rule.get("keep_firing_for", "0s")),
        )
        for name, rule in alerts().items()
    }
    assert found == {
        name: (rule.severity, rule.for_seconds, rule.keep_firing_for)
        for name, rule in {**RULES, **OF_PROMETHEUS}.items()
    }


def test_thresholds_are_the_engine_s() -> None:
    """Every number in an expression."""
    expressions = {rule.get("alert") or rule["record"]: rule["expr"] for rule in rules()}
    numbers = {
        name: [float(number) for number in re.findall(r"[<>] (\d[\d.]*)", expression)]
        for name, expression in expressions.items()
    }
    assert numbers["FoldwatchCeilingNear"] == [
        used_share.NEAR_RATIO,
        used_share.CRITICAL_RATIO,
    ]
    assert numbers["FoldwatchCeilingCritical"] == [used_share.CRITICAL_RATIO]
    assert numbers["FoldwatchCeilingWithinHour"] == [
        alert_rules.FORECAST_SECONDS,
        alert_rules.FORECAST_FROM_RATIO,
    ]
    assert numbers["FoldwatchSamplesStale"] == [STALE_SECONDS]
    assert numbers["foldwatch:ceiling_used:ratio"] == [STALE_SECONDS]
    for name in (
        "FoldwatchFoldFailed",
        "FoldwatchRunFailed",
        "foldwatch:run_failed:timestamp_seconds",
    ):
        assert f"time() - {HOLD_SECONDS:.0f}\n" in expressions[name]
    for name in ("FoldwatchPidsLimitHit", "FoldwatchOomKill"):
        (window,) = re.findall(r"\[(\w+)\]", expressions[name])
        assert seconds(window) == alert_rules.HIT_SECONDS
    assert numbers["FoldwatchPressure"] == [*pressure.LIMITS.values()]
    (window,) = re.findall(r"\[(\w+)\]", expressions["foldwatch:pressure_share:ratio"])
    assert seconds(window) == pressure.WINDOW_SECONDS
    rise = expressions["foldwatch:ceiling_rise:per_second"]
    (before,), (offset,) = re.findall(r"\[(\w+)\]", rise), set(re.findall(r"offset (315s)", rise))
    assert seconds(before) == BEFORE_SECONDS
    assert seconds(offset) == THIRDS * THIRD_SECONDS
    (third,) = re.findall(r"\[(\w+)\]", expressions["foldwatch:ceiling_used:min105s"])
    assert seconds(third) == THIRD_SECONDS
    assert f"/ {THIRD_SECONDS:.0f}" in rise


def test_the_same_ceilings_are_judged_with_the_same_advice() -> None:
    """Each ceiling's advice is in the rules' words; what is not judged is left out of both."""
    near = alerts()["FoldwatchCeilingNear"]["annotations"]["description"]
    for ceiling in ALERTING:
        advice = LIMITS[ceiling].advice
        assert f'"{ceiling}"' in near
        assert advice in near
    used = next(r["expr"] for r in rules() if r.get("record") == "foldwatch:ceiling_used:ratio")
    assert set(USED_BY) - set(ALERTING) == {"gpu_memory"}
    assert 'ceiling!~"cgroup_memory|gpu_memory"' in used
    descriptions = {rule["annotations"]["description"] for rule in alerts().values()}
    assert descriptions >= {
        alert_rules.GROWTH_ADVICE,
        alert_rules.PIDS_HIT_ADVICE,
        alert_rules.OOM_ADVICE,
        alert_rules.STALE_ADVICE,
        RESUME_ADVICE,
        STALLED_ADVICE,
    }
    words = alerts()["FoldwatchPressure"]["annotations"]["description"]
    assert all(advice in words for advice in pressure.ADVICE.values())
