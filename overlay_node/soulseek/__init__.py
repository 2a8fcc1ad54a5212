"""The Soulseek plane of the node. Only this package imports aioslsk."""
