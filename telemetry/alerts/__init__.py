"""Alerts: rules, the engine that applies them, and the sinks that deliver them."""
