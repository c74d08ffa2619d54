"""Growth per fold and per epoch."""
