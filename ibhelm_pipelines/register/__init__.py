"""The register: which project, cost group, place, kind of document and people everything in the office belongs to.

All of it is derived from what the disk and the vendors say, by rules that are rows; what a person decides stands apart
and wins. Nothing here reads a disk or asks a vendor.
"""
