"""The stream tasks of this product, written against the framework's public API only."""
