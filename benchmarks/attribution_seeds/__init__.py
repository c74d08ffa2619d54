"""Trainings of which it is known what grows from fold to fold, and by which function or library.

Started as ``python -m benchmarks.attribution_seeds.NAME RUN_DIR SEED``. In each of them an innocent function is busier than
the one that leaks, and takes and gives back the same resource; in those named ``clean_*`` nothing grows.
"""
