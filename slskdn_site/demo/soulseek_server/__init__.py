"""A small Soulseek server for loopback: speaks the real protocol, knows its few users, and can be told to misbehave."""
