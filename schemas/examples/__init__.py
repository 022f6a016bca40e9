"""What does each message look like? Examples as they stand on the wire; each one decodes and validates (a test)."""
