"""The study file, its plan, its runs and their records."""
