"""The lab: whole swarms in one process and in virtual time. `./slskdn lab --help` tells how to use it.

The real sans-IO cores of many nodes (protocol connections, swarm sessions with their policy, seeding) exchange real bytes over a simulated
network. Nothing here opens a socket or asks a clock what to do; everything random comes from one seed, in a stream of its own for each concern. So a
seed is a story: the same seed gives the same event log, byte for byte, in any process.

A run, from the outside in:

measure      a run in terms of its bound: completion / bound, waste, fairness
bound        the time no schedule can beat, with its theory
plan         a scenario with a seed: all that is random before the run, hence all that the bound may know
world        the run: nodes, links, faults, outcome
downloader   a node that fetches: drives real `SwarmSession`s as the node's services do; monitors: invariants, checked all the while
serving      a node that gives: drives the real `Seeding` core
wire         a link: two real `Connection`s over two flows; each node's own clock
network      pipes and flows: who gets how many bytes when; loss, nat: what TCP and dialling make of it
profile      a rate over time; events: virtual time; streams: randomness; payloads: what is transferred

What is varied:

scenario(s)  declarative networks, and the catalogue of them
personality  how peers behave
policies     the product's policy in its modes, and by name the baselines
baselines    what others do, made well

What is not a swarm with a bound: dht (a massacre), hostile (a siege, by attackers), future (peers that speak words of tomorrow); extras holds their bars.

What comes out: matrix (many runs in several processes), bars, report. recording writes a session's trace as a node would; inference makes a
network of a trace, replay runs other policies on it.
"""
