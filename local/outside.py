"""Everything a stack's functions ask of the outside: AWS, Port and Bitbucket in one list, with the same faults for all.

For Port and Bitbucket it stands in the way of their stand-ins' requests; who is calling follows from the connection.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal, Protocol
from weakref import WeakKeyDictionary

import psutil

from local.aws import Call, Fault, Moto, Outcome, Planned
from local.aws.faults import Faults, Struck
from local.aws.killing import kill
from local.standins.http import Answer, Exchange, StandIn
from local.standins.serving import Peer

Service = Literal["port", "bitbucket"]
_ON_THE_WEB: frozenset[str] = frozenset({"port", "bitbucket"})


class Environment(Protocol):
    """An execution environment: its access key, its process and its function's name."""

    @property
    def key(self) -> str: ...
    @property
    def pid(self) -> int: ...
    @property
    def function(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Caller:
    key: str
    function: str
    process: psutil.Process


class Outside:
    """The calls of the functions whose live execution environments ``environments`` tells.

    ``functions`` are the names whose calls of AWS count; without them all that ``moto`` records do, also other stacks'.
    Requests that no environment sends (a test's own) are neither recorded nor struck by faults.
    """

    def __init__(
        self,
        moto: Moto,
        environments: Callable[[], Iterable[Environment]],
        *,
        functions: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        self._moto = moto
        self._environments = environments
        self._functions = functions
        self._faults = Faults(moto.clock.now)
        self._calls: list[Call] = []
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._known: WeakKeyDictionary[Peer, _Caller] = WeakKeyDictionary()

    def watch(self, service: Service, stand_in: StandIn) -> None:
        """Stand in the way of a stand-in's requests from now on. Raises ValueError if somebody else does already."""
        if stand_in.tap is not None:
            raise ValueError(f"the {service} stand-in is watched already")
        stand_in.tap = lambda exchange: self._tap(service, exchange)

    def unwatch(self, stand_in: StandIn) -> None:
        """Let its requests pass again."""
        stand_in.tap = None

    # --- what was called ---------------------------------------------------------------------------------------------

    def calls(self) -> list[Call]:
        """All calls since ``forget``, in the order of arrival, numbered from 1."""
        with self._lock:
            web = list(self._calls)
        wanted = None if self._functions is None else set(self._functions())
        aws = [call for call in self._moto.calls() if wanted is None or call.function in wanted]
        merged = sorted([*web, *aws], key=lambda call: call.at)
        return [replace(call, number=number) for number, call in enumerate(merged, 1)]

    def forget(self) -> None:
        """Record anew."""
        with self._lock:
            self._calls.clear()
        self._moto.forget_calls()

    # --- faults ------------------------------------------------------------------------------------------------------

    def fault(self, fault: Fault) -> None:
        """Have a fault strike calls of AWS, or of Port and Bitbucket, from now on.

        Which of them follows from its ``service``, else from its ``action`` (``sqs:…`` or ``POST …``); raises
        ValueError when neither tells.
        """
        if _is_of_the_web(fault):
            self._faults.add(fault)
        else:
            self._moto.fault(fault)

    def faults(self) -> list[Planned]:
        """Every fault since ``clear_faults``, with how often it matched and struck; AWS's first."""
        return [*self._moto.faults(), *self._faults.planned()]

    def faults_left(self) -> list[Planned]:
        """Those that have not struck as often as they were told to (without a limit: never)."""
        return [plan for plan in self.faults() if plan.left]

    def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        self._moto.clear_faults()
        self._faults.clear()

    # --- the way of a request ----------------------------------------------------------------------------------------

    def _tap(self, service: Service, exchange: Exchange) -> Answer:
        caller = self._whose(exchange.peer)
        if caller is None:
            return exchange.carry_out()
        path = exchange.request.path
        call = Call(
            next(self._numbers),
            self._moto.clock.now(),
            caller.function,
            "",
            caller.key,
            service,
            exchange.operation,
            (path,),
            "unanswered",
        )
        strike = self._faults.strike(Struck(caller.function, service, exchange.operation, (path,)))
        if strike.delay:
            self._moto.clock.sleep(strike.delay)
        if strike.do == "kill before":
            self._record(call, "killed before")
            _end(caller)
        if strike.do in ("fail", "throttle"):
            status = 500 if strike.do == "fail" else 429
            self._record(call, _outcome(status))
            return exchange.refuse(status, f"planned answer {status}")
        if strike.do == "duplicate":
            exchange.carry_out()
        answer = exchange.carry_out()
        self._record(call, "killed after" if strike.do == "kill after" else _outcome(answer.status))
        if strike.do == "kill after":
            _end(caller)
        return answer

    def _record(self, call: Call, outcome: Outcome) -> None:
        with self._lock:
            self._calls.append(replace(call, outcome=outcome))

    def _whose(self, peer: Peer) -> _Caller | None:
        """Whose connection it is; looked up once for each."""
        known = self._known.get(peer)
        if known is None:
            known = self._look_up(peer.port)
            if known is not None:
                self._known[peer] = known
        return known

    def _look_up(self, port: int) -> _Caller | None:
        for environment in self._environments():
            try:
                process = psutil.Process(environment.pid)
                connections = process.net_connections(kind="tcp")
            except psutil.NoSuchProcess:
                continue  # It ended in this moment.
            if any(connection.laddr and connection.laddr.port == port for connection in connections):
                return _Caller(environment.key, environment.function, process)
        return None


def _is_of_the_web(fault: Fault) -> bool:
    if fault.service is not None:
        return fault.service in _ON_THE_WEB
    if fault.action is not None and re.match(r"[A-Z*]+ /", fault.action):
        return True
    if fault.action is not None and re.match(r"[a-z*]+:", fault.action):
        return False
    raise ValueError(f"neither service nor action tell whose calls are meant: {fault}")


def _outcome(status: int) -> Outcome:
    if status < 400:
        return "ok"
    if status == 429:
        return "throttled"
    return "failed" if status >= 500 else "refused-by-service"


def _end(caller: _Caller) -> None:
    kill(caller.process)
    raise ConnectionAbortedError("the caller was killed")
