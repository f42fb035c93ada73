"""Models that ship with the product."""
