"""Load on a target, and what became of it: open loops, closed loops, answers.

target      what is asked: by index, in turn or at once
outcome     what became of the queries, and the Measurement made of it
loadgen     MLPerf's LoadGen: SingleStream, Server, Offline, AccuracyOnly
  system    the target as LoadGen sees it
  logs      what LoadGen wrote of each query, and what it found invalid
  punctual  generators that are not late
http        the gateway, over many connections: asyncio, in a process of its own
  unjudged  its requests
"""
