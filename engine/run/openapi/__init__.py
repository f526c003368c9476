"""The HTTP API described: an OpenAPI document, put together from a piece per resource.

document            the whole, and the call that answers with it
starting, running   runs: begun; listed, looked at, ended, gone
numbers             what was measured: results, intervals, report, comparison
schedules, server   schedules; target profiles, the page, the document itself
refusals, shape     answers that are errors; the words all pieces are written in
"""
