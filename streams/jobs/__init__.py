"""Background work: queues in Redis, the ledger in Postgres, and the jobs themselves."""
