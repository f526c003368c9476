"""certfleet: scale tests for certificate-based IoT fleets on Azure.

The folders are the stations a run passes through; imports point down this list.

    cli         the command line, and what starts everything on one machine
    wiring      picks the adapters; the only place that does
    adapters    the outside world, one file per thing; emulator: the other end of the conversation;
    emulator    localhost: a Functions host where there is none; settings: every variable, once
    localhost
    settings
    run         one run's life: orchestration, claims, device names, API
    batch       many sessions driven by one loop
    report      results for people and machines
    plan        what was asked, when, and who does which part
    device      one simulated device: messages and times in, commands out
    ports       the outside world as Protocols
    protocol    what the services say and expect, both directions
    measure     from samples to a verdict
    errors      what can go wrong
"""
