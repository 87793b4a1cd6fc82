"""The models this project ships, and how they were made."""
