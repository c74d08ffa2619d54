"""The messages that a crash leaves in a log, as data."""
