"""The daemon's web server and its page."""
