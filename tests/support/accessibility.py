"""What axe-core finds on a page: see tests/vendor/README.md."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

from tests.support.paths import TESTS

if TYPE_CHECKING:
    from playwright.sync_api import Page


@lru_cache
def _axe() -> str:
    with open(os.path.join(TESTS, "vendor", "axe-core", "axe.min.js"), encoding="utf-8") as file:
        return file.read()


def violations(page: Page) -> list[str]:
    """Return each rule that the page breaks, with the first element that breaks it; every rule of axe is asked."""
    page.evaluate(_axe())
    found = page.evaluate("axe.run()")
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found["violations"]]
