"""Alerts: what is wrong is found (conditions), kept from its beginning to its end (reconcile), and told (delivery)."""
