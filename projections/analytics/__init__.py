"""What analytics keeps, folded from the log of record behind the worker (`projections.analytics.follower`)."""
