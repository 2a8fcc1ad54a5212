"""Template tags of fixes."""
