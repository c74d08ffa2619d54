"""The recorder that a training imports."""
