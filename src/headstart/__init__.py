"""Headstart: should clients fine-tune a pre-trained model instead of running federated averaging?"""

__version__ = "0.1.0"
