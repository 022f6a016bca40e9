"""Experiments: who gets what (`assignment`), and what may be said of it at any time (`inference`)."""
