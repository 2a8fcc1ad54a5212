"""Filling one payload from many peers, as a sans-IO core: events and `now` in, actions out.

piece_map   which leaves are held, whose turn each missing leaf is
choice      which payload, among those that peers claim to be a recording
source      what a session knows of one peer: state, speed, faults
session     `SwarmSession`, which wires them: what to ask of whom, what to believe
"""
