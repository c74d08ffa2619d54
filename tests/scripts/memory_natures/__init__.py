"""Programs whose memory grows from fold to fold, each for a known reason: the first line of each says which.

Started as ``python -m tests.scripts.memory_natures.NAME RUN_DIR``; FOLDS in the environment is the number of folds. In all
of them other work allocates and frees at the same time, as it does in a training.
"""
