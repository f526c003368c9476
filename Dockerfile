# The worker: drives batches of a run until none is left for it, and ends with 0. Container Apps starts it as
# `worker RUN_ID --processes N`; without arguments the run is the one that the variable RUN_ID names.
FROM python:3.13.12-slim-trixie

ENV PYTHONUNBUFFERED=1 \
    PYTHONFAULTHANDLER=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /app

# Every package by its digest; the file itself asks pip to refuse all others.
COPY requirements.lock ./
RUN pip install --require-hashes --requirement requirements.lock

COPY engine ./engine
RUN python -m compileall -q engine

# Nothing is written here: state lies in the storage account. By number, so that whoever forbids root can tell.
USER 65532:65532

# The claim is given back, and the next worker goes on from the checkpoint.
STOPSIGNAL SIGTERM

ENTRYPOINT ["python", "-m", "engine"]
CMD ["worker"]
