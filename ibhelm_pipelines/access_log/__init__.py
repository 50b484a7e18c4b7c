"""Who read what: written down before it is given, kept as long as IBHELM_ACCESS_LOG_DAYS says (docs/access-log.md)."""
