"""What do the read models say?  One file an answer: the statements, and how their rows become the body."""
