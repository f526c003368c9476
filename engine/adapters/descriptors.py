"""The process's limit of open files."""

import resource


def raise_descriptors(wanted: int) -> int:
    """How many the process may have open, after the soft limit was raised towards wanted as far as it goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    aim = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and aim > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (aim, hard))
        soft = aim
    return wanted if soft == resource.RLIM_INFINITY else soft
