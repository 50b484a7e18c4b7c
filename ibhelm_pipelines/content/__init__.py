"""Content:

What is inside the files. Looks into each distinct content once and derives previews, text and stored originals from
it.
"""
