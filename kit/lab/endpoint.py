"""What the farm's WinRM listener does with a message: WS-Management on WMI and on shells (MS-WSMV)."""

from __future__ import annotations

import logging
import threading
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from enum import Enum
from http import HTTPStatus
from types import MappingProxyType
from typing import NoReturn

from kit.lab import envelope, wmi
from kit.lab.envelope import ENUMERATION, MANAGEMENT, TRANSFER, WMI, FaultError, Request, timed_out
from kit.lab.shell import COMMAND_SHELL, Shells

logger = logging.getLogger(__name__)

MAX_ENVELOPE_SIZE = 500 * 1024
"""WinRM's MaxEnvelopeSizekb, in bytes."""

_WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
_MAX_BATCH_ITEMS = 32000
_OPEN_ENUMERATIONS = 100
_OVERHEAD = 2048  # of an envelope around the items


class Trouble(Enum):
    """What can be made to happen to an operation or method."""

    DROP_BEFORE = "the connection is cut before the call is carried out"
    DROP_AFTER = "the connection is cut as soon as the method has begun"
    DROP_ANSWER = "the call is carried out, and the connection cut instead of an answer"
    UNREPORTABLE = "the call is carried out, but its answer does not fit in an envelope"
    TIMED_OUT = "the listener gives up as soon as the method has begun"
    DENIED = "access is denied"
    TOO_MANY = "the account has too many operations open"
    QUOTA = "a quota is used up"


class Faults:
    """Trouble made on purpose, by the name of an operation or method; each is used up by one call."""

    def __init__(self) -> None:
        self._due: defaultdict[str, deque[Trouble]] = defaultdict(deque)

    def arrange(self, name: str, *troubles: Trouble) -> None:
        """Let the next calls of ``Execute``, ``Enumerate``, ``RunStatus`` ... meet with these, in turn."""
        self._due[name].extend(troubles)

    def take(self, name: str) -> Trouble | None:
        """Return the trouble that is due to a call, and forget it."""
        due = self._due[name]
        return due.popleft() if due else None

    @property
    def next_execute(self) -> Trouble | None:
        """What the next Execute will meet with; to set it is to arrange nothing else."""
        return next(iter(self._due["Execute"]), None)

    @next_execute.setter
    def next_execute(self, trouble: Trouble | None) -> None:
        self._due["Execute"] = deque([trouble] if trouble else [])


_REFUSALS: Mapping[Trouble, tuple[int, str, str]] = MappingProxyType(
    {
        Trouble.DENIED: (5, "w:AccessDenied", "Access is denied."),
        Trouble.TOO_MANY: (
            2150859174,
            "w:InternalError",
            "The maximum number of concurrent operations for this user has been exceeded.",
        ),
        Trouble.QUOTA: (2150859173, "w:QuotaLimit", "The service is configured to allow no more requests."),
    }
)


class ConnectionCutError(Exception):
    """The connection must be cut without an answer."""


class Endpoint:
    """Answers WS-Management messages.

    Parameters
    ----------
    provider : wmi.Provider
        The WMI classes.
    shells : Shells
        The command shells.
    max_timeout : float
        Seconds after which an operation is answered with TimedOut while it goes on (MaxTimeoutms).
    """

    def __init__(self, provider: wmi.Provider, shells: Shells, max_timeout: float) -> None:
        self.faults = Faults()
        self.received: Counter[str] = Counter()
        self.provider = provider
        self.shells = shells
        self._max_timeout = max_timeout
        self._enumerations: OrderedDict[str, list[str]] = OrderedDict()
        self._changed = threading.Condition()
        self._stopping = False

    def answer(self, message: bytes, user: str) -> tuple[int, bytes]:
        """Answer one message of a signed-in user with an HTTP status and a message.

        Raises
        ------
        ConnectionCutError
            There is to be no answer.
        """
        request = None
        try:
            request = envelope.read(message)
            limit = envelope.envelope_limit(request, MAX_ENVELOPE_SIZE)
            answer = self._dispatch(request, user, limit)
            if len(answer) > limit:
                raise _too_large(request)
        except FaultError as error:
            logger.info("fault %d for %s: %s", error.code, user, error)
            return HTTPStatus.INTERNAL_SERVER_ERROR, envelope.fault(request, error)
        return HTTPStatus.OK, answer

    def stop(self) -> None:
        """Let nobody wait for a run or a command any longer."""
        self.shells.stop()
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _dispatch(self, request: Request, user: str, limit: int) -> bytes:
        if not self.provider.admits(user):
            raise FaultError(5, "w:AccessDenied", "Access is denied.")
        class_name = request.resource.removeprefix(f"{WMI}/")
        if request.resource not in {COMMAND_SHELL, f"{WMI}/{class_name}"}:
            raise _unreachable(f"{request.resource} is not served here")
        name = request.action.rpartition("/")[2]
        with self._changed:
            self.received[name] += 1
            trouble = self.faults.take(name)
        if trouble is Trouble.DROP_BEFORE:
            raise ConnectionCutError(trouble.value)
        if trouble and trouble in _REFUSALS:
            raise FaultError(*_REFUSALS[trouble])
        if request.resource == COMMAND_SHELL:
            answer = self.shells.answer(request, user, limit)
        elif request.action.startswith(f"{request.resource}/"):
            answer = self._invoke(request, class_name, name, user, trouble)
        else:
            answer = self._operate(request, class_name, user, limit)
        if trouble:
            _withhold(request, trouble)
        return answer

    def _operate(self, request: Request, class_name: str, user: str, limit: int) -> bytes:
        operations = {
            f"{ENUMERATION}/Enumerate": lambda: self._enumerate(request, user, limit),
            f"{ENUMERATION}/Pull": lambda: self._pull(request, limit),
            f"{ENUMERATION}/Release": lambda: self._release(request),
            f"{TRANSFER}/Get": lambda: self._get(request, class_name, user),
        }
        if request.action not in operations:
            raise FaultError(2150858754, "a:ActionNotSupported", f"{request.action} is not supported")
        return operations[request.action]()

    def _enumerate(self, request: Request, user: str, limit: int) -> bytes:
        items = [envelope.instance(one) for one in self._query(request, user)]
        optimised = request.body.find(f"{{{MANAGEMENT}}}OptimizeEnumeration") is not None
        page, rest = _page(items, request, limit) if optimised else ([], items)
        context = self._keep(rest) if rest else ""
        found = f"<w:Items>{''.join(page)}</w:Items>" if optimised else ""
        ended = "" if rest else "<w:EndOfSequence/>"
        body = (
            "<n:EnumerateResponse>"
            f"<n:EnumerationContext>{context}</n:EnumerationContext>{found}{ended}"
            "</n:EnumerateResponse>"
        )
        return envelope.reply(request, f"{ENUMERATION}/EnumerateResponse", body)

    def _query(self, request: Request, user: str) -> list[wmi.Instance]:
        for namespace in (MANAGEMENT, ENUMERATION):
            wql = request.body.find(f"{{{namespace}}}Filter")
            if wql is not None and wql.get("Dialect") == _WQL:
                break
        else:
            raise FaultError(2150858778, "n:CannotProcessFilter", "A WQL filter is needed")
        try:
            return self.provider.query(wql.text or "", user)
        except wmi.WmiError as error:
            raise _fault(error, filtered=True) from error

    def _pull(self, request: Request, limit: int) -> bytes:
        context = request.text("EnumerationContext")
        with self._changed:
            items = self._enumerations.pop(context, None)
        if items is None:
            raise FaultError(2150858779, "n:InvalidEnumerationContext", "The enumeration has ended")
        page, rest = _page(items, request, limit)
        state = (
            f"<n:EnumerationContext>{self._keep(rest)}</n:EnumerationContext>" if rest else ""
        )  # fmt: skip
        ended = "" if rest else "<n:EndOfSequence/>"
        body = f"<n:PullResponse>{state}<n:Items>{''.join(page)}</n:Items>{ended}</n:PullResponse>"
        return envelope.reply(request, f"{ENUMERATION}/PullResponse", body)

    def _release(self, request: Request) -> bytes:
        with self._changed:
            self._enumerations.pop(request.text("EnumerationContext"), None)
        return envelope.reply(request, f"{ENUMERATION}/ReleaseResponse", "")

    def _keep(self, items: list[str]) -> str:
        context = f"uuid:{str(uuid.uuid4()).upper()}"
        with self._changed:
            self._enumerations[context] = items
            while len(self._enumerations) > _OPEN_ENUMERATIONS:
                self._enumerations.popitem(last=False)
        return context

    def _get(self, request: Request, class_name: str, user: str) -> bytes:
        _require_key(request, class_name)
        try:
            one = self.provider.get(class_name, request.selectors, user)
        except wmi.WmiError as error:
            raise _fault(error) from error
        return envelope.reply(request, f"{TRANSFER}/GetResponse", envelope.instance(one))

    def _invoke(
        self, request: Request, class_name: str, method: str, user: str, trouble: Trouble | None
    ) -> bytes:
        _require_key(request, class_name)
        arguments = {child.tag.rpartition("}")[2]: child.text or "" for child in request.body}
        call = _Call(
            self._changed,
            lambda: self.provider.invoke(class_name, request.selectors, method, arguments, user),
        )
        call.start()
        if trouble in {Trouble.DROP_AFTER, Trouble.TIMED_OUT}:
            _withhold(request, trouble)
        try:
            value = self._wait(call, request)
        except wmi.WmiError as error:
            raise _fault(error) from error
        return envelope.reply(
            request, f"{request.action}Response", envelope.output(class_name, method, value)
        )

    def _wait(self, call: _Call, request: Request) -> str:
        """Wait for a method as long as client and server allow; it goes on in any case."""
        seconds = min(request.timeout or self._max_timeout, self._max_timeout)
        with self._changed:
            self._changed.wait_for(lambda: call.ended or self._stopping, seconds)
        if not call.ended:
            raise timed_out()
        return call.result()


class _Call(threading.Thread):
    """A method that runs in a thread of its own, because it may outlive the request."""

    def __init__(self, changed: threading.Condition, method: Callable[[], str]) -> None:
        super().__init__(daemon=True)
        self.ended = False
        self._changed = changed
        self._method = method
        self._value = ""
        self._error: wmi.WmiError | None = None

    def run(self) -> None:
        """Call the method."""
        try:
            self._value = self._method()
        except wmi.WmiError as error:
            self._error = error
        except Exception:
            logger.exception("a method failed")
            self._value = "call-failure"  # what the provider returns when the service fails (ms699322)
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def result(self) -> str:
        """Return what the method returned, or raise what it raised."""
        if self._error:
            raise self._error
        return self._value


def _page(items: list[str], request: Request, limit: int) -> tuple[list[str], list[str]]:
    """Divide the items into those that the next answer holds, and the rest."""
    count = request.text("MaxElements", MANAGEMENT) or request.text("MaxElements")
    most = min(int(count) if count.isdigit() else 1, _MAX_BATCH_ITEMS)
    size, end = _OVERHEAD, 0
    while end < min(most, len(items)) and (size + len(items[end]) <= limit or end == 0):
        size += len(items[end].encode())
        end += 1
    return items[:end], items[end:]


def _require_key(request: Request, class_name: str) -> None:
    key = wmi.KEYS.get(class_name, "")
    if {name.lower() for name in request.selectors} != {key.lower()}:
        raise FaultError(
            2150858843,
            "w:InvalidSelectors",
            f"The selectors of {class_name} must be: {key}",
            detail="UnexpectedSelectors",
        )


def _withhold(request: Request, trouble: Trouble) -> NoReturn:
    """Keep an answer back, in the way of the trouble."""
    if trouble is Trouble.UNREPORTABLE:
        raise _too_large(request)
    if trouble is Trouble.TIMED_OUT:
        raise timed_out()
    raise ConnectionCutError(trouble.value)


def _unreachable(text: str, provider: wmi.WmiError | None = None) -> FaultError:
    return FaultError(2150858752, "a:DestinationUnreachable", text, provider=provider)


def _too_large(request: Request) -> FaultError:
    """Return the fault for an answer that does not fit; a method has run by then."""
    code = 2150858829 if request.action.startswith(WMI) else 2150858825
    return FaultError(code, "w:EncodingLimit", "The response is too large", detail="ServiceEnvelopeLimit")


def _fault(error: wmi.WmiError, *, filtered: bool = False) -> FaultError:
    """Return the fault for what WMI said; missing instances and incapable providers are unproven."""
    if error.code == wmi.ACCESS_DENIED:
        return FaultError(5, "w:AccessDenied", "Access is denied.", provider=error)
    if filtered and error.code in {wmi.INVALID_QUERY, wmi.INVALID_CLASS}:
        text = "The data source could not process the filter."
        return FaultError(2150858778, "n:CannotProcessFilter", text, provider=error)
    if error.code in {wmi.NOT_FOUND, wmi.INVALID_CLASS}:
        return _unreachable("The WMI service cannot find the object.", error)
    return FaultError(error.code, "w:InternalError", error.text, provider=error, receiver=True)
