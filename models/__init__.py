"""What the events mean: pure folds and models on columns; no clock, no I/O, no randomness without a seed."""
