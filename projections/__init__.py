"""What is kept: one read model a file, written in the one transaction that also moves the offsets."""
