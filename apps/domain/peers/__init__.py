"""What was learnt of peers: how they perform, how far they are trusted. Pure; local knowledge that is never sent to anyone."""
