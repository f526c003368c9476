"""A Container Apps job as Azure Resource Manager shows it: read, started, looked at, stopped.

Every request is sent once by the client and repeated here, on our clock and with our bound: the client's own policy
also repeats a POST after 500, 503, 504 and whatever names a Retry-After, and a start must not be carried out twice.
Long-running operations are not waited for by the client's pollers, which take as long as the service does.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestTimeoutError,
)
from azure.core.rest import HttpRequest, HttpResponse
from azure.mgmt.appcontainers import ContainerAppsAPIClient
from azure.mgmt.appcontainers.models import Job, JobExecutionTemplate

from engine.adapters.jobs.template import has_variable
from engine.errors import LaunchError
from engine.ports import Clock

PATIENCE_S: Final = 60.0
"""No request is repeated later than this after it was first sent."""

CONNECT_WITHIN_S: Final = 5.0
ANSWER_WITHIN_S: Final = 30.0

FIRST_PAUSE_S: Final = 1.0
"""Between two tries, where the service names no time; doubled each time."""

FOLLOW_EVERY_S: Final = 5.0
FOLLOW_S: Final = 30.0
"""How often and how long a start that was only accepted is asked for its execution."""

_PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
_ADVICE: Final = {
    401: "this identity was not accepted",
    403: 'this identity may not: it has to read, start and stop the job, as "Container Apps Jobs Operator" may',
    404: "there is no such job, or this identity may not see it",
}


class Trouble(LaunchError):
    """What became of one request.

    status is 0 where there was no answer; may_be_done says whether the service may have carried the request out;
    passes, whether trying again can help. The text is ours, of the answer it has the status and the service's own code
    only: an error may repeat the template, variables included.
    """

    def __init__(
        self,
        job: str,
        detail: str,
        *,
        status: int = 0,
        retry_after_s: float = 0.0,
        may_be_done: bool = False,
        passes: bool = False,
    ) -> None:
        super().__init__(f"the job {job}", detail)
        self.status, self.retry_after_s, self.may_be_done, self.passes = status, retry_after_s, may_be_done, passes


class JobService:
    """The job of a resource id; client_options go to the client as they are. Methods raise Trouble.

    Safe to call from several threads.
    """

    def __init__(self, job: str, credential: TokenCredential, clock: Clock, **client_options: Any) -> None:
        _, _, subscription, _, self._group, _, _, _, self.name = job.split("/")
        self._clock = clock
        options: dict[str, Any] = {
            "retry_total": 0,
            "connection_timeout": CONNECT_WITHIN_S,
            "read_timeout": ANSWER_WITHIN_S,
        }
        self._client = ContainerAppsAPIClient(credential, subscription, **options, **client_options)

    def read(self) -> Job:
        """The job."""
        try:
            return self._patiently(lambda: self._client.jobs.get(self._group, self.name))
        except Trouble as trouble:
            trouble.may_be_done = False  # whatever became of the request, it does nothing
            raise

    def start(self, template: JobExecutionTemplate) -> str:
        """The name of a new execution, "" where the service began one and does not say which."""
        seen: list[Any] = []

        def begin() -> HttpResponse:
            self._client.jobs.begin_start(
                self._group, self.name, template, polling=False, raw_response_hook=seen.append
            )
            found: HttpResponse = seen[-1].http_response
            return found

        answer = self._patiently(begin, unless=lambda trouble: trouble.may_be_done)
        if answer.status_code == HTTPStatus.ACCEPTED:
            return self._follow(answer)
        return str(_body(answer).get("name") or "")

    def find(self, name: str, value: str) -> str:
        """The name of the execution that has the variable, "" when none is seen to."""

        def look() -> str:
            executions = self._client.jobs_executions.list(self._group, self.name)
            return next((str(each.name) for each in executions if has_variable(each.template, name, value)), "")

        return self._patiently(look)

    def status(self, execution: str) -> str:
        """The service's word for how the execution is; asked for once."""
        with self._translated():
            status = self._client.job_execution(self._group, self.name, execution).status or ""
        return str(getattr(status, "value", status))  # a word the client does not know stays a text

    def stop(self, execution: str) -> None:
        """The execution is told to stop; it is not waited for."""
        self._patiently(
            lambda: self._client.jobs.begin_stop_execution(self._group, self.name, execution, polling=False)
        )

    def _follow(self, answer: HttpResponse) -> str:
        """The execution of a start that was accepted, "" when the service does not tell in time.

        Only where it was accepted is anything asked: requests carry our token. What is found there may also be the
        operation, which has a name, too.
        Source: Azure Resource Manager, "Track asynchronous Azure operations": Location, Retry-After.
        """
        location, origin = answer.headers.get("Location", ""), urlsplit(answer.request.url)[:2]
        give_up = self._clock.now() + FOLLOW_S
        try:
            while answer.status_code == HTTPStatus.ACCEPTED:
                wait_s = _retry_after_s(answer) or FOLLOW_EVERY_S
                if urlsplit(location)[:2] != origin or self._clock.now() + wait_s > give_up:
                    return ""
                self._clock.sleep(wait_s)
                answer = self._patiently(lambda: self._get(location))
        except Trouble:
            return ""
        found = _body(answer)
        return str(found.get("name") or "") if "/executions/" in str(found.get("id")) else ""

    def _get(self, url: str) -> HttpResponse:
        answer = self._client.send_request(HttpRequest("GET", url))
        answer.raise_for_status()
        return answer

    def _patiently[Found](
        self, ask: Callable[[], Found], *, unless: Callable[[Trouble], bool] = lambda _: False
    ) -> Found:
        """What ask gives, repeated while its trouble passes."""
        give_up, pause_s = self._clock.now() + PATIENCE_S, FIRST_PAUSE_S
        while True:
            try:
                with self._translated():
                    return ask()
            except Trouble as trouble:
                wait_s = max(trouble.retry_after_s, pause_s)
                if not trouble.passes or unless(trouble) or self._clock.now() + wait_s > give_up:
                    raise
            self._clock.sleep(wait_s)
            pause_s *= 2

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """What azure raises inside, as Trouble. The cause is left out: its text has the whole answer."""
        try:
            yield
        except AzureError as error:
            raise self._trouble(error) from None
        except ValueError:
            raise Trouble(self.name, "the answer was not JSON", may_be_done=True) from None

    def _trouble(self, error: AzureError) -> Trouble:
        kind = type(error).__name__
        if isinstance(error, ClientAuthenticationError) and error.status_code != HTTPStatus.UNAUTHORIZED:
            return Trouble(self.name, f"this identity gets no token: {kind}")
        if isinstance(error, HttpResponseError) and (error.status_code or 0) >= HTTPStatus.BAD_REQUEST:
            return self._refusal(error)
        # Only a connection that was never made is certain: ServiceRequestError also stands for TLS that broke later.
        may_be_done = not isinstance(error, ServiceRequestTimeoutError)
        return Trouble(self.name, f"no answer: {kind}", may_be_done=may_be_done, passes=True)

    def _refusal(self, error: HttpResponseError) -> Trouble:
        status = error.status_code or 0
        code = error.error.code if error.error else None
        said = " ".join((str(status), *([code] if code and _WORD.fullmatch(code) else ())))
        retry_after_s = _retry_after_s(error.response)
        advice = f", to be asked again in {retry_after_s:g} s" if retry_after_s else ""
        return Trouble(
            self.name,
            f"{said}: {_ADVICE[status]}" if status in _ADVICE else f"{said}{advice}",
            status=status,
            retry_after_s=retry_after_s,
            may_be_done=status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT,
            passes=status in _PASSING,
        )


def _retry_after_s(response: Any) -> float:
    """The seconds that the service asks to wait, 0 when it names none."""
    text = response.headers.get("Retry-After", "")
    return float(text) if re.fullmatch("[0-9]{1,5}", text) else 0.0


def _body(response: HttpResponse) -> dict[str, Any]:
    """The answer's JSON object, empty when it has none."""
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
