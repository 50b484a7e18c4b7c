"""Missive: conversations, mails, comments and attachments as Missive has them."""
