"""Runs the folds of a cross-validation in processes of their own."""
