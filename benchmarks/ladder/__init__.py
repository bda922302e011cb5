"""The latency ladder: a recipe from the arithmetic to the gateway, student against teacher.

bench        what ``leanzoo bench`` runs, stage by stage, and the result that it writes
  effort     how long each stage takes
sides        who is compared under which protocol, and what a query sends
cells        one rung at one batch, in turns and in rounds
rungs        all of them: in_process, and behind the servers of a repository that is deployed
climbed      measurements and headlines made of them
loads        capacity, latency at stated rates, a stall, through endpoints
  quality    what the answers are worth that come through them
"""
