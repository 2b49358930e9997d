"""Running arms: nodes found or computed, tuned, recorded."""
