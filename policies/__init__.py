"""Policy packs as data: one folder a pack, with pack.toml (clauses and their sources) and cases.toml (input → expected verdict)."""
