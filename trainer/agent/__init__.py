"""The agent of a fold: launches it, watches it, and writes how it ended, on the host where it runs."""
