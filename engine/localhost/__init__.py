"""Runs a Python Functions app, Durable Functions included, where there is no Functions host.

Microsoft's worker library finds and calls the functions, Microsoft's in-memory Durable Task backend keeps the
orchestrations; this package is what joins them, plus HTTP, timers and a SQLite file. `python -m engine.localhost
APP_DIR` starts it. It knows nothing of the rest of the engine: it finds the app by path.

Not here: other triggers, keys and `code=`, `functionTimeout`, entities, suspend, resume, rewind and restart,
starts with a delay, response cookies, timer firings missed while the host was down.
"""
