"""The daemon that follows every run below a directory."""
