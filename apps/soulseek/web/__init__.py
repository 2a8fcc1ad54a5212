"""Pages of Soulseek."""
