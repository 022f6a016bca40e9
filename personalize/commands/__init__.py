"""One file a command; each holds a typer `app` and imports what is heavy only when it runs."""
