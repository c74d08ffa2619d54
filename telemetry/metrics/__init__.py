"""Prometheus metrics: the catalogue, samples of a snapshot, text, and a server."""
