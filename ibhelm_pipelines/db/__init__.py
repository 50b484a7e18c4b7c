"""Postgres: connections, migrations, named queries. Everything that the rooms share, they share here."""
