"""What ended a process, and what to do about it."""
