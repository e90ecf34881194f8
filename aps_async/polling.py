"""Polling, for any job of any service: ask, tolerate transient errors, wait, and give up at a deadline.

    manifest = await poll(ask, is_final=is_done, timeout=600, quota=session.rate_limiter(MANIFEST))

A poll is one call of `ask`, an answer is what it returns. There are three levels:

- `poll` and `poll_states` wait in the caller's task;
- a `Poller` says when its next poll is due, and its owner, such as a bulk run, calls `ask_or_end` then;
- `PollRules.decide` judges one answer or error, without clock and event loop, such as for workers with a queue.

backoff's wait generators can be used as policies. Its `on_predicate` cannot replace the loop: it ignores the event
loop's clock and polls that hang, returns an unfinished answer when it gives up, and ends at the first 503.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, aclosing, closing
from typing import Any, Generic, TypeVar, cast

from attrs import evolve, field, frozen

from aps_async.arguments import check_awaited, check_functions, check_not_async
from aps_async.errors import InterceptedError, PollTimeoutError, UnauthorizedError
from aps_async.policies import Policy, PollPolicy, PollStatus, as_callable, seconds_of
from aps_async.transport import retry
from aps_async.transport.quotas import RateLimiter
from aps_async.transport.retry import check_timeout, requested_wait, until

__all__ = ["PollRules", "Poller", "may_recover", "poll", "poll_states"]
__dir__: object = __all__.copy

T = TypeVar("T")

_FRESH_TOKENS = 3  # after this many 401s since the last answer the wait ends: each came despite a fresh token
_PAGES = 3  # of web filters or proxies in a row, after which a wait ends


def _timeout_error(status: PollStatus[Any]) -> PollTimeoutError:
    said = f"the last answer was {status.answer!r}" if status.is_answered else "there was no answer"
    said += f"; the last poll failed: {status.error}" if status.error else ""
    age = f"{status.age:.0f}" if status.age >= 10 else f"{status.age:.1f}"
    return PollTimeoutError(f"not done after {age} s; {said}", answer=status.answer)


def may_recover(error: Exception, status: PollStatus[Any]) -> bool:
    """The default rule: 429, 5xx, lost connections and garbled responses may recover, and so may two 401s.

    A web filter or a sign-in page of the network may be gone at one of the next two polls.
    """
    if isinstance(error, InterceptedError):
        return status.failed(InterceptedError) < _PAGES
    return retry.may_recover(error) and status.failed(UnauthorizedError) < _FRESH_TOKENS


@frozen(kw_only=True)
class PollRules(Generic[T]):
    """The rules for polling one kind of job. Nothing here waits or has state."""

    is_final: Callable[[T], bool]
    policy: Policy = field(factory=PollPolicy)
    timeout: float | None = None
    may_recover: Callable[[Exception, PollStatus[T]], bool] = may_recover
    """Whether the next poll may succeed after this error."""
    not_yet: Callable[[Exception, PollStatus[T]], bool] = lambda error, status: False  # noqa: ARG005
    """Whether an error is expected, such as a 404 right after the start. It is not a failure: the interval stays."""
    max_retry_after: float = 300.0
    """Seconds up to which `Retry-After` is a floor for the wait; a larger value is ignored."""
    timeout_error: Callable[[PollStatus[T]], Exception] = _timeout_error

    def __attrs_post_init__(self) -> None:
        check_timeout(self.timeout)
        check_not_async(policy=self.policy)
        check_functions(
            is_final=self.is_final,
            may_recover=self.may_recover,
            not_yet=self.not_yet,
            timeout_error=self.timeout_error,
        )

    def decide(self, status: PollStatus[T]) -> float | None:
        """Seconds until the next poll; None: the answer is final.

        Nothing is remembered: a wait generator as policy is started again each time, up to its wait number
        `status.polls + status.failures`.

        Raises:
            InputError: the policy raised, or did not return seconds.
            Exception: polling ends without a result: `status.error`, or `timeout_error` if the timeout has passed.
        """
        error = status.error
        if error is None and status.is_answered and self.is_final(cast("T", status.answer)):
            return None
        if error is not None and not self.not_yet(error, status) and not self.may_recover(error, status):
            raise error
        if self.timeout is not None and status.age >= self.timeout:
            raise self.timeout_error(status) from error
        return max(seconds_of(self.policy, status), self.floor(status))

    def floor(self, status: PollStatus[T]) -> float:
        """The least wait in seconds, whatever the policy: `Retry-After` up to `max_retry_after`, or else 0."""
        return requested_wait(status.error, self.max_retry_after) or 0.0


class Poller(Generic[T]):
    """Polls one job: keeps its status, says when the next poll is due, and makes it.

    Args:
        ask: makes one poll.
        rules: see `PollRules`; the timeout counts from now.
        state: an answer that is known already, such as that of the start; it saves the first poll.
        quota: the rate limiter of `ask`. The job counts among those that share it until `close`.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[T]],
        rules: PollRules[T],
        *,
        state: T | None = None,
        quota: RateLimiter | None = None,
    ) -> None:
        check_awaited(ask=ask)
        self.began: float = _now()
        self.due: float = self.began
        self._asked = self.began
        self.status: PollStatus[T] = PollStatus(answer=state)
        self.done: bool = False
        self._ask, self._quota, self._share = ask, quota, ExitStack()
        self.rules: PollRules[T] = evolve(rules, policy=as_callable(rules.policy))
        if state is not None:
            self._judge(self.status)
        if quota is not None:
            self._share.enter_context(quota.sharing())

    def use(self, rules: PollRules[T], quota: RateLimiter) -> None:
        """Replaces rules and quota from the next decision on; the deadline still counts from the beginning."""
        self.close()
        self.rules, self._quota = evolve(rules, policy=as_callable(rules.policy)), quota
        self._share.enter_context(quota.sharing())

    @property
    def answer(self) -> T:
        """The last answer. Only to be used once there is one, at the latest when `done`."""
        return cast("T", self.status.answer)

    @property
    def wakes_at(self) -> float:
        """When to call `ask_or_end`, by the event loop's clock: when the next poll is due, or at the deadline."""
        timeout = self.rules.timeout
        return self.due if timeout is None else min(self.due, self.began + timeout)

    async def ask(self) -> None:
        """Polls once and updates `done`, `due` and `status`. Raises what `PollRules.decide` raises."""
        self._asked = _now()
        try:
            answer = await self._ask()
        except Exception as error:  # noqa: BLE001 - `decide` raises it again, unless it may recover
            before = evolve(self.status, age=_now() - self.began)
            failed = () if self.rules.not_yet(error, before) else (type(error),)
            self._judge(evolve(before, error=error, failed_with=before.failed_with + failed))
        else:
            self._judge(evolve(self.status, answer=answer, error=None, polls=self.status.polls + 1, failed_with=()))

    async def ask_or_end(self) -> None:
        """To be called at `wakes_at`: polls, or raises the timeout's error if `Retry-After` lasts past the deadline."""
        if self.rules.floor(self.status) and self.wakes_at < self.due:
            raise self._timeout_error(None)
        await self.ask()

    async def states(self) -> AsyncGenerator[T, None]:
        """Yields every answer until a final one, beginning with `state` if there is one; then closes the poller."""
        with closing(self):
            if self.status.answer is not None:
                yield self.status.answer
            while not self.done:
                async with self.until_deadline():
                    await asyncio.sleep(self.due - _now())
                    await self.ask()
                if self.status.error is None:
                    yield self.answer

    async def result(self, on_answer: Callable[[T], object] | None = None) -> T:
        """Polls until an answer is final and returns it; `on_answer` is called with every answer."""
        check_functions(on_answer=on_answer)
        async with aclosing(self.states()) as states:
            async for answer in states:
                if on_answer is not None:
                    on_answer(answer)
        return self.answer

    def until_deadline(self, *, since: float | None = None) -> AbstractAsyncContextManager[None]:
        """Cancels the `async with` block at the deadline and raises the rules' `timeout_error`.

        Args:
            since: when the timeout of the block begins, by the event loop's clock; None: when the poller was created.
        """
        began, timeout = self.began if since is None else since, self.rules.timeout
        return until(None if timeout is None else began + timeout, self._timeout_error)

    def close(self) -> None:
        """No longer counts among the jobs that share the quota."""
        self._share.close()

    def _judge(self, status: PollStatus[T]) -> None:
        now = _now()
        fair = self._quota.fair_interval() if self._quota is not None else 0.0
        self.status = evolve(status, age=now - self.began, fair_interval=fair)
        wait = self.rules.decide(self.status)
        self.done = wait is None
        if wait is not None and status.error is not None:  # the time of a poll that hung counts as waiting
            wait = max(wait - (now - self._asked), self.rules.floor(status))
        self.due = now + (wait or 0.0)

    def _timeout_error(self, met: Exception | None) -> Exception:
        status = evolve(self.status, age=_now() - self.began, error=met or self.status.error)
        error = self.rules.timeout_error(status)
        error.__cause__ = status.error
        return error


def _now() -> float:
    return asyncio.get_running_loop().time()


async def poll(
    ask: Callable[[], Awaitable[T]],
    *,
    is_final: Callable[[T], bool],
    timeout: float | None = None,
    policy: Policy | None = None,
    state: T | None = None,
    quota: RateLimiter | None = None,
) -> T:
    """Asks until an answer is final, and returns it.

    Examples:
        >>> import backoff, functools
        >>> answers = iter(["pending", "inprogress", "success"])
        >>> async def ask():
        ...     return next(answers)
        >>> policy = functools.partial(backoff.expo, factor=0.01, max_value=15)
        >>> asyncio.run(poll(ask, is_final=lambda answer: answer == "success", policy=policy))
        'success'

    Args:
        ask: makes one poll; an async function that does not retry by itself (`session.request(..., retry=False)`).
        is_final: whether the job has ended. A failed job is final too: the caller checks that.
        timeout: seconds until the deadline; None: no deadline.
        policy: when to ask again; None: `PollPolicy()`, every 2 seconds. After transient errors (see `may_recover`)
            the wait grows, and is never shorter than `Retry-After`.
        state: an answer that is known already; it saves the first poll.
        quota: `session.rate_limiter(endpoint)`, to poll less often the more jobs share it.

    Raises:
        PollTimeoutError: the deadline passed; it carries the last answer, and as `__cause__` the last error.
        InputError: the policy raised, or did not return seconds.
        Exception: what `ask` raised, if it is not transient.
    """
    rules = PollRules(is_final=is_final, timeout=timeout, policy=policy or PollPolicy())
    return await Poller(ask, rules, state=state, quota=quota).result()


async def poll_states(
    ask: Callable[[], Awaitable[T]],
    *,
    is_final: Callable[[T], bool],
    timeout: float | None = None,
    policy: Policy | None = None,
    state: T | None = None,
    quota: RateLimiter | None = None,
) -> AsyncGenerator[T, None]:
    """Like `poll`, but yields every answer until the final one. No task runs in the background."""
    rules = PollRules(is_final=is_final, timeout=timeout, policy=policy or PollPolicy())
    async with aclosing(Poller(ask, rules, state=state, quota=quota).states()) as states:
        async for answer in states:
            yield answer
