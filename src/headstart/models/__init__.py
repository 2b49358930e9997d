"""Networks as blocks and a head, where they are cut into a frozen and a trainable part, and how they train."""
