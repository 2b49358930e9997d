"""A real federation over Flower: the same arms, where the data lives.

Only ``client_app``, ``server_app`` and ``grid`` know Flower; the rest speaks in :mod:`headstart.flower.messages`.
"""
