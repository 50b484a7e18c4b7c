"""Privacy: one person's data found, shown and removed (docs/privacy.md)."""
