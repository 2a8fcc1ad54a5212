"""JSON for Soulseek."""
