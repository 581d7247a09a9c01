"""AWS on this machine: moto behind a front that knows who calls, enforces, records and breaks."""

from local.aws.calls import Call, Outcome
from local.aws.faults import Fault, Planned
from local.aws.front import OPERATOR
from local.aws.moto import CREDENTIALS, Moto
from local.aws.queues import DeadLetter

__all__ = ["CREDENTIALS", "OPERATOR", "Call", "DeadLetter", "Fault", "Moto", "Outcome", "Planned"]
