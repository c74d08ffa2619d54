"""Records on disk: their format, writer and follower, and the layout of a run directory."""
