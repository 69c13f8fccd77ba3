"""The paper's tables: what it has published, and our results beside it."""
