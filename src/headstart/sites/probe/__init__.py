"""The question in two messages, over real sites."""
