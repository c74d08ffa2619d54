"""The reference run: a real cross-validation on real data, with every stage labelled."""
