"""Rules of the Soulseek plane that need no network: what is searched when, who is chosen, what is too slow, what is fair."""
