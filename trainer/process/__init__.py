"""One fold's process, from its launch until it is reaped."""
