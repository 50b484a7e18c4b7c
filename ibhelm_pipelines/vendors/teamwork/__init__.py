"""Teamwork.com: what its API says (shared/facts/apis.md, section 2), made rows of ours. Read only, but for webhooks."""
