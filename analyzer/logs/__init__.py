"""From the bytes of a log to labelled readings and signature matches."""
