"""Is a host fit for the nodes the inventory puts on it: what to ask, how to read the answer, how to judge it. No I/O.

`local` asks everything a host can say of itself in one script; `judge` compares one host's answer with what is wanted;
`across` compares hosts with each other (clocks, names, memory of one machine); `network` proves that nodes reach peers.
"""
