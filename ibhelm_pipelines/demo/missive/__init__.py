"""A simulator of Missive over HTTP: the made-up office's mail, with all that makes the real service awkward.

Written from the facts about the vendor's API alone and without a look at our connector, so that it can prove it wrong.
"""
