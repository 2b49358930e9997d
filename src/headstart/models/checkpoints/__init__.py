"""Checkpoints of Transformers as networks: everything here that knows that library."""
