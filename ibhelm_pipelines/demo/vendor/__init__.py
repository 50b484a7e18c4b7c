"""What every simulated vendor has: a server of its own, a log of requests, faults, switches, webhooks under way."""
