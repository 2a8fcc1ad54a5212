"""Rules of a swarm that need no protocol: what its chunks cost, when it will be done, what happened in it. Pure."""
