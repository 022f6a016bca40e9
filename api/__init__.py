"""What is read: HTTP routes over the projections; commands are published, never written."""
