"""The only doors to Postgres and Redis."""
