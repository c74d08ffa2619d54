"""The catalogue of limits: everything that names a limit names one of it, and every limit is read."""

from __future__ import annotations

import os
import re
from dataclasses import fields

import pytest
import yaml

from analyzer.resources import RESOURCES
from analyzer.signatures import signature
from analyzer.signatures.search import SIGNATURES
from telemetry.alerts.rules import ALERTING
from telemetry.kernel.applied_limits import AppliedLimit, binding
from telemetry.kernel.reader import Reader
from telemetry.limits import GROWS_WITH, LIMITS, USED_BY, LimitSpec, Refusal, refusing
from telemetry.reading import LimitState, Reading
from tests.support.paths import GRAFANA

TASKS = {"pids_cgroup", "nproc", "threads_max", "pid_max"}
MEMORY = {"cgroup_memory", "host_memory"}
MAPPINGS = {"max_map_count", "address_space", "data_size"}
NAME = re.compile(r'eq \$labels\.ceiling "(\w+)"')


def descriptions() -> dict[str, str]:
    """Return the description of each alert of grafana/rules that depends on the limit."""
    with open(os.path.join(GRAFANA, "rules", "foldwatch.yml"), encoding="utf-8") as file:
        (group,) = yaml.safe_load(file)["groups"]
    found = {
        rule["alert"]: rule["annotations"]["description"]
        for rule in group["rules"]
        if "alert" in rule
    }
    return {name: text for name, text in found.items() if NAME.search(text)}


def advice_of(template: str) -> dict[str, str]:
    """Return the text by limit of an if-else chain in Prometheus's template language."""
    parts = re.split(r"\s*\{\{-? *((?:else )?if .*?|end) *-?\}\}\s*", template)
    return {
        name: text
        for condition, text in zip(parts[1::2], parts[2::2], strict=True)
        for name in NAME.findall(condition)
    }


def test_prometheus_gives_the_advice_of_the_limit_that_fills() -> None:
    """Of each, and of none that never alerts."""
    templates = descriptions()
    assert set(templates) == {
        "FoldwatchCeilingNear",
        "FoldwatchCeilingCritical",
        "FoldwatchCeilingWithinHour",
    }
    for template in templates.values():
        assert advice_of(template) == {name: LIMITS[name].advice for name in ALERTING}


def test_every_limit_that_a_reading_can_carry_is_read() -> None:
    """Whatever state it is in here; GPUs are on other machines."""
    reader = Reader()
    try:
        reading = reader.read()
    finally:
        reader.close()
    assert set(USED_BY) - set(reading.limits) <= {"gpu_memory"}
    assert set(reading.limits) <= set(USED_BY)


@pytest.mark.parametrize("name", LIMITS)
def test_what_is_said_of_a_limit_is_said_of_a_reading(name: str) -> None:
    """A field that does not exist would be None for ever, and nobody would notice."""
    spec: LimitSpec = LIMITS[name]
    known = {part.name for part in fields(Reading)}
    assert {spec.used_by, spec.grows_with, spec.hits} - {None} <= known
    assert spec.resource is None or spec.resource in RESOURCES
    assert spec.title
    assert spec.label
    assert not spec.advice or spec.used_by, "it can never alert"
    assert not spec.full_is_proof or spec.used_by, "nobody can see that it is full"


def test_the_two_tables_are_the_catalogue_s() -> None:
    """What counts against a limit, and what brings it nearer."""
    assert {name: spec.used_by for name, spec in LIMITS.items() if spec.used_by} == USED_BY
    assert {name: spec.grows_with for name, spec in LIMITS.items() if spec.grows_with} == GROWS_WITH


def test_resources_name_limits_that_count_them() -> None:
    """And are fields of a reading themselves."""
    known = {part.name for part in fields(Reading)}
    for name, resource in RESOURCES.items():
        assert name in known
        if resource.limit is not None:
            assert name in {LIMITS[resource.limit].resource, LIMITS[resource.limit].used_by}


@pytest.mark.parametrize(
    ("cgroup", "expected"),
    [
        ((10, 40), "cgroup_memory"),  # 30 left of 40, 50 of the host
        ((90, 120), "cgroup_memory"),
        ((10, 100), "host_memory"),
        ((35, 40), "cgroup_memory"),
        ((10, LimitState.UNLIMITED), "host_memory"),
    ],
)
def test_a_cgroup_smaller_than_the_host_binds(
    cgroup: tuple[int, int | LimitState], expected: str
) -> None:
    """Its headroom is met first, also where other programs fill the host more than it is filled."""
    reading = Reading(
        time=1.0,
        pid=7,
        cgroup_memory_bytes=cgroup[0],
        host_memory_used_bytes=50,
        limits={"cgroup_memory": cgroup[1], "host_memory": 100},
    )
    assert reading.binding == expected
    applied = [
        AppliedLimit(name=name, usage=reading.usage(name), scope="", source="")
        for name in reading.limits
    ]
    tightest = binding(applied)
    assert tightest is not None
    assert tightest.name == expected


def test_an_error_comes_from_the_limits_that_the_kernel_checks() -> None:
    """The sets that the signatures are made from; see the sources beside them."""
    assert set(refusing(Refusal.TASK)) == set(signature.TASKS) == TASKS
    assert set(refusing(Refusal.KILL)) == set(signature.MEMORY) == MEMORY
    assert set(signature.ENOMEM) == MAPPINGS | MEMORY
    assert set(signature.TASK_OR_MEMORY) == TASKS | MAPPINGS | MEMORY
    assert set(signature.KILLED) == MEMORY | {signature.NOT_A_LIMIT}
    assert set(refusing(Refusal.DESCRIPTOR)) == {"open_files"}


def test_the_order_of_causes_is_kept() -> None:
    """It is the order of a report's causes of equal confidence."""
    tasks = ("pids_cgroup", "nproc", "threads_max", "pid_max")
    assert tasks == signature.TASKS
    assert (
        *("max_map_count", "address_space", "data_size"),
        *("host_memory", "cgroup_memory"),
    ) == signature.ENOMEM
    assert (
        *signature.TASKS,
        *("max_map_count", "address_space", "data_size"),
        *("cgroup_memory", "host_memory"),
    ) == signature.TASK_OR_MEMORY


def test_every_signature_names_known_causes() -> None:
    """By itself and by the frame above it."""
    for one in SIGNATURES:
        named = {*one.causes, *one.speaks_for, *sum(one.causes_in_frame.values(), ())}
        assert named <= set(signature.CAUSES), one.name
