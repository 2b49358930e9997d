"""Flower as the transport: its apps, its messages, its programs."""
