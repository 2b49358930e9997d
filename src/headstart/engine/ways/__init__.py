"""The ways to do a job: one client after another, all as one stack, in processes; and how one is chosen."""
