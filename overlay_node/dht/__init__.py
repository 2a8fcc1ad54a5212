"""Our own mainline DHT node as a sans-IO core (BEP 5, 32, 42, 43): datagrams and `now` in, datagrams and events out.

No sockets, clock or randomness here; `overlay_node.net.dht_udp` is the shell that has them. One idea per module:

    bencode · krpc            bytes ↔ values, strict and bounded
    addresses · ids           endpoints, node ids, XOR distance, BEP 42
    config · errors · events  what is set, what can go wrong, what is told
    table · traversal         k-buckets; one iterative lookup in one address family
    transactions · rtt        questions in flight and how long to wait for them
    tokens · storage · intake what we do for others, and how much of it
    responder · calls · node  answering; whole calls; `DhtNode`, which wires them
"""
