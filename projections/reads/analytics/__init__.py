"""What did learners do in a period?  One file a metric; `report` puts their parts together."""
