"""One run's life: orchestration, claims, API.

What the modules are about:

    asked          answers, access; api, resume, removal, compare_api, schedule_api; what they read: search, live
    described      openapi
    begun          submission, planning, pool, baseline
    orchestrated   orchestration, workflow, cleaning: generators; their activities: planning, jobs, activities, watch,
                   closing, cleanup
    driven         worker or activities: one batch, claimed, by work, rosters, start and home
    ended          closing, gather, results, merged, release, undo
    every minute   tick: schedules (with firings, schedule_form), overdue, retention
    kept           keys, record, files, state, claims, outcome; read by reading
"""
