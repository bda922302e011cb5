"""What a model would take if nothing but its arithmetic and its bytes took time.

rates      what this machine does at most, measured: arithmetic, memory, caches, one call
costs      what a graph has to do for given inputs: operations, and bytes that must move
roofline   both as a time, and which of them binds
profile    where the time of a graph goes, operator by operator
sessions   graphs in no file, and what the runtime makes of those that are in one
identity   a graph with a model's inputs and outputs that computes nothing: the floor of a path
"""
