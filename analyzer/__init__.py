"""Reads ``[THREADS]`` logs and journals, says what grows per fold and which limit ended the run."""

from analyzer.analysis import Analysis, Finding, analyze

__all__ = ["Analysis", "Finding", "analyze"]
