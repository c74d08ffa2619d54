"""From logs and journals to processes."""
