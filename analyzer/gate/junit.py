"""Checks as JUnit XML, as CI systems show it: a test case for each, a skipped one where it could not be told."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from analyzer.formatting import LONGEST_LINE, safe
from analyzer.gate.checks import CheckOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.gate.checks import Check

SUITE = "foldwatch"


def as_junit(checks: Sequence[Check]) -> bytes:
    """Return the document; what XML has no characters for is escaped as a terminal shows it."""
    counts = {
        outcome: sum(one.outcome == outcome for one in checks)
        for outcome in (CheckOutcome.FAILED, CheckOutcome.UNKNOWN)
    }
    suite = ET.Element(
        "testsuite",
        name=SUITE,
        tests=str(len(checks)),
        failures=str(counts[CheckOutcome.FAILED]),
        errors="0",
        skipped=str(counts[CheckOutcome.UNKNOWN]),
    )
    for one in checks:
        case = ET.SubElement(suite, "testcase", classname=SUITE, name=safe(one.name))
        words = safe(one.sentence, longest=LONGEST_LINE)
        if one.outcome is CheckOutcome.FAILED:
            ET.SubElement(case, "failure", message=words)
        elif one.outcome is CheckOutcome.UNKNOWN:
            ET.SubElement(case, "skipped", message=words)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    text: str = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()
