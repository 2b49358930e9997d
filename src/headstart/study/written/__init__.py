"""What a study file says, and its checks."""
