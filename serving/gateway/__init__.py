"""The gateway: an HTTP API with FastAPI over published models.

settings    what it is told
problems    what it answers where it refuses: one class, RFC 9457 bodies
catalogue   which models and versions a repository holds
router      which version answers a request
backends    Triton over gRPC, or ONNX Runtime in this process
core        a request checked, asked and judged
keeper      looks after all of it: new versions, canaries, readiness
body        JSON → arrays
graph, clicks, series   one task each: body → arrays, outputs → answer
door        what every request passes: id, key, rate, limits, deadline, metrics, log
routes      the endpoints
app         all of it as one FastAPI application
server      runs it, and drains it on SIGTERM
"""
