"""Rows of the Soulseek plane: one module per topic, over Django and in memory."""
