"""Which addresses are there?  One file a resource; each route checks, asks one thing, and answers."""
