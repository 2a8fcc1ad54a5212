"""Soulseek: the session, searches, choice of sources, downloads, uploads, people, traffic."""
