"""What a run is: its configuration, directory and results. No processes here."""
