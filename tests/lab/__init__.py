"""The lab: whole swarms in one process and in virtual time. `./slskdn lab --help` tells how to use it.

The real sans-IO cores of many nodes (protocol connections, swarm sessions with their policy, serving) exchange real bytes over a simulated
network. Nothing here opens a socket or looks at a clock; everything random comes from one seed, in a stream of its own for each concern.

events       virtual time
streams      randomness
profile      a rate over time, known in advance
network      pipes and flows: who gets how many bytes when
wire         a link: two real `Connection`s over two flows; a node's own clock
payloads     what is transferred
personality  how peers behave
scenario(s)  declarative networks, and the catalogue of them
serving      a node that gives; downloader: a node that fetches (drives real `SwarmSession`s)
policies     the product's policy and the baselines, by name
monitors     invariants, checked in every run
world        one run: plan (all that is random), nodes, outcome
bound        the time no schedule can beat, with its theory
measure      a run in terms of its bound
matrix       many runs in several processes
report       entries, bars, table
"""
