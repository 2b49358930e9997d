"""A real federation: the same arms, where the data live.

Only :mod:`headstart.sites.flower` knows Flower; the rest speaks in :mod:`headstart.sites.messages`.
"""
