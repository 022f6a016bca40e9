"""Alembic's environment and the numbered SQL files."""
