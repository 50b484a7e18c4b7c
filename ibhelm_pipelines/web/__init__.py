"""`ibhelm web`: a small read-only gateway from browsers to previews and originals (docs/web.md)."""
