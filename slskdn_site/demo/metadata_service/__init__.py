"""A small server of recorded MusicBrainz and AcoustID answers, on loopback only, with faults on request."""
