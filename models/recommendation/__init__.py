"""Which item should a learner see next? Streaming item tables, scorers, daily models and the blend that ranks them."""
