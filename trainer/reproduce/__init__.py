"""The crash in miniature, and the same folds isolated."""
