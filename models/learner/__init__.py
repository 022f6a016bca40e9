"""What does a learner know, what should come next, and when?  One subject a file; everything here is pure."""
