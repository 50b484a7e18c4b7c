"""Nothing is lost: restore, history, manifests, verification, backup, purge."""
