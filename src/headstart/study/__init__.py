"""A study: from its file to a plan, to runs, to records and the verdict."""
