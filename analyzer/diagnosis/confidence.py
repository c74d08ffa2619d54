"""`Confidence`: how well a cause is founded."""

from __future__ import annotations

import enum


class Confidence(enum.StrEnum):
    """How well a cause is founded, best first; `diagnosis.causes` defines each."""

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"
    UNLIKELY = "unlikely"
    RULED_OUT = "ruled out"
