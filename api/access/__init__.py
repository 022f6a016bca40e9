"""Who is asking, what may they do, and what is written down about it?  API keys, web tokens, sessions, rules, audit."""
