"""Headstart: should clients fine-tune a pre-trained model instead of running federated averaging?"""
