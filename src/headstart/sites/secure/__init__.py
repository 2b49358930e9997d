"""Totals that the server can read, of values that it cannot: secure aggregation that bears the loss of sites.

Bonawitz et al.: Practical Secure Aggregation for Privacy-Preserving Machine Learning. CCS 2017.
https://doi.org/10.1145/3133956.3133982 (figure 4). The site's half is :mod:`~headstart.sites.secure.party`, the
server's :mod:`~headstart.sites.secure.exchange`.
"""
