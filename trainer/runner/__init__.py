"""The parent: which fold runs when, in which process, and what becomes of it."""
