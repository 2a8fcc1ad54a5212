"""Tags of the Soulseek pages."""
