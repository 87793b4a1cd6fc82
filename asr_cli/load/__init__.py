"""Many callers at once against a gateway, and what they found."""
