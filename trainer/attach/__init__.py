"""Attaching: a process that runs already is recorded from outside, with its tree, until it ends."""
