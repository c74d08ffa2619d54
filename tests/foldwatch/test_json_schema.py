"""What ``foldwatch analyze --json`` prints is what its schema says."""

from __future__ import annotations

import glob
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from analyzer.comparison import ChangeOutcome
from analyzer.diagnosis.confidence import Confidence
from analyzer.diagnosis.outcome import Outcome
from analyzer.growth.verdict import Verdict
from analyzer.pipeline import analyze
from analyzer.reports.json_report import as_json
from analyzer.result import OverallVerdict
from analyzer.signatures.signature import CAUSES
from tests.support.paths import INCIDENT, LOGS, RELEASED, RETAINED, ROOT, TESTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs import CommandOutcome

SCHEMA: dict[str, Any] = json.loads(
    Path(ROOT, "docs", "reference", "analysis.schema.json").read_text(encoding="utf-8")
)
VALIDATOR = Draft202012Validator(SCHEMA)


def test_the_schema_is_one() -> None:
    """And names every value that the code can give."""
    Draft202012Validator.check_schema(SCHEMA)
    of = SCHEMA["$defs"]
    causes = of["process"]["properties"]["causes"]["items"]["properties"]
    assert of["cause"]["enum"] == [*CAUSES]
    assert causes["standing"]["enum"] == [*Confidence]
    assert of["growth"]["properties"]["verdict"]["enum"] == [*Verdict]
    assert {*of["ending"]["properties"]["outcome"]["enum"]} == {*Outcome}
    assert {*SCHEMA["properties"]["outcome"]["enum"]} == {*Outcome}
    assert SCHEMA["properties"]["verdict"]["enum"] == [*OverallVerdict]
    changes = of["comparison"]["properties"]["resources"]["additionalProperties"]
    assert changes["properties"]["outcome"]["enum"] == [*ChangeOutcome]


def test_every_log_gives_what_the_schema_says() -> None:
    """Those of people and ours, each by itself."""
    paths = glob.glob(os.path.join(TESTS, "reported_logs", "**", "*.log"), recursive=True)
    paths += glob.glob(os.path.join(LOGS, "*.log"))
    assert len(paths) > 350
    for path in paths:
        content = json.loads(json.dumps(as_json(analyze([path]))))
        assert VALIDATOR.is_valid(content), (path, [*VALIDATOR.iter_errors(content)])


def test_what_is_printed_is_what_the_schema_says(foldwatch: Callable[..., CommandOutcome]) -> None:
    """With a comparison and without; another schema or verdict is refused."""
    compared = foldwatch("analyze", RETAINED, "--compare", RELEASED, "--json")
    plain = foldwatch("analyze", INCIDENT, "--json")
    for outcome in (compared, plain):
        VALIDATOR.validate(json.loads(outcome.out))
    assert "compared_with" in json.loads(compared.out)
    assert not VALIDATOR.is_valid({**json.loads(plain.out), "schema": 2})
    assert not VALIDATOR.is_valid({**json.loads(plain.out), "verdict": "fine"})
