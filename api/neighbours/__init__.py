"""What may other services add?  Each has an adapter: off unless configured, skipped when it fails, never waited for."""
