"""Finds files, mails, comments and tasks by words, names and meaning."""
