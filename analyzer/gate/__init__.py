"""The gate: whether a run keeps to what was asked of it, check by check, for CI."""
